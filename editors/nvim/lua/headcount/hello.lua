--- What is said first: who asks, and what the server that answers can do.

local M = {}

---@class headcount.Abilities
---@field version string
---@field methods table<string, boolean>
---@field agents headcount.AgentCard[]

---@return table
function M.params()
  return { processId = vim.fn.getpid(), clientInfo = { name = 'nvim' } }
end

--- What a server says of itself, or nil where it is none of ours: any program may be named in the settings.
---@param answer any
---@return headcount.Abilities|nil
function M.abilities(answer)
  local function at(...)
    local value = answer
    for _, name in ipairs({ ... }) do
      value = type(value) == 'table' and value[name] or nil
    end
    return value
  end
  local version = at('serverInfo', 'version')
  local methods = at('capabilities', 'experimental', 'headcount', 'methods')
  local agents = at('capabilities', 'experimental', 'headcount', 'agents')
  if type(version) ~= 'string' or type(methods) ~= 'table' or type(agents) ~= 'table' then
    return nil
  end
  local can = {}
  for _, method in ipairs(methods) do
    can[method] = true
  end
  return { version = version, methods = can, agents = agents }
end

return M
