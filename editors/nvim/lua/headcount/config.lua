--- What a user may set, and where the program is.

local M = {}

---@class headcount.Config
---@field cmd string[] the program and its arguments before `serve`; a bare name is looked for on PATH
---@field notify headcount.NotifyConfig what is worth a message
---@field ended integer how many sessions without a live process the list shows before `a` is pressed

---@class headcount.NotifyConfig
---@field waiting boolean a session starts to wait for you
---@field failed boolean a session fails

---@type headcount.Config
local DEFAULTS = {
  cmd = { 'headcount' },
  notify = { waiting = true, failed = true },
  ended = 20,
}

---@type headcount.Config
M.current = vim.deepcopy(DEFAULTS)

--- Refuses what no setting is named, and a value of another type than the default's.
---@param given table
---@param known table
---@param prefix string
local function check(given, known, prefix)
  for name, value in pairs(given) do
    local wanted = type(known[name])
    assert(wanted ~= 'nil', ('headcount: no setting is named `%s%s`'):format(prefix, name))
    assert(
      type(value) == wanted,
      ('headcount: the setting `%s%s` is a %s, not a %s'):format(prefix, name, wanted, type(value))
    )
  end
end

--- Takes the user's settings; what is not among them has its default.
---@param options table|nil
function M.set(options)
  local merged = vim.tbl_deep_extend('force', vim.deepcopy(DEFAULTS), options or {})
  if type(merged.cmd) == 'string' then
    merged.cmd = { merged.cmd }
  end
  check(merged, DEFAULTS, '')
  check(merged.notify, DEFAULTS.notify, 'notify.')
  M.current = merged
end

--- Where the program is, or nil.
---@return string|nil
function M.program()
  local program = vim.fn.exepath(vim.fn.expand(M.current.cmd[1]))
  return program ~= '' and program or nil
end

--- The arguments of the server.
---@return string[]
function M.arguments()
  local arguments = vim.list_slice(M.current.cmd, 2)
  table.insert(arguments, 'serve')
  return arguments
end

return M
