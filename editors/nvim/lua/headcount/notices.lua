--- Which changes are worth a message; each is told once.

local client = require('headcount.client')
local config = require('headcount.config')
local roster = require('headcount.roster')
local words = require('headcount.words')

local M = {}

---@type table<string, true> what was told: a session that comes and goes and comes again is one
local told = {}

--- What a step is about, or nil where nobody needs to know.
---@param step headcount.Step
---@return 'waiting'|'failed'|nil
function M.topic(step)
  local before, after = step.before, step.after
  -- Subagents answer to their parents, not to a person.
  if not after or after.kind == 'subagent' then
    return nil
  end
  if before and before.status == after.status then
    return nil
  end
  return (after.status == 'waiting' or after.status == 'failed') and after.status or nil
end

---@param topic 'waiting'|'failed'
---@param session headcount.Session
---@return string
function M.text(topic, session)
  local predicate = topic == 'failed' and 'failed' or ('needs you (%s)'):format(words.want(session))
  return ('%s %s: %s'):format(client.agent_name(session.agent), predicate, words.title(session))
end

---@param steps headcount.Step[]
local function announce(steps)
  for _, step in ipairs(steps) do
    local topic = M.topic(step)
    if topic and config.current.notify[topic] then
      local session = step.after
      local id =
        table.concat({ roster.key(session), topic, session.reason, session.updatedAt or '' }, ' ')
      if not told[id] then
        told[id] = true
        local level = topic == 'failed' and vim.log.levels.ERROR or vim.log.levels.WARN
        vim.notify(M.text(topic, session), level, { title = 'Headcount' })
      end
    end
  end
end

--- Tells from now on.
function M.begin()
  roster.on_change(announce)
end

return M
