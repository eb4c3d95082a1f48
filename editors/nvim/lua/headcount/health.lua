--- `:checkhealth headcount`: the program, its version, its log, and what it sees.

local client = require('headcount.client')
local config = require('headcount.config')
local hello = require('headcount.hello')
local screen = require('headcount.screen')
local words = require('headcount.words')

local M = {}

--- The wire contract this plugin speaks.
local PROTOCOL = 1
--- Longest that the check waits for an answer; settable, so that a test need not wait so long.
M.patience_ms = 10000
--- What each agent may take of it: less, so that one that is slow is told of by its name, whatever the settings say.
local DEADLINE_MS = 8000

-- Named differently before 0.10, and elsewhere before 0.8.
local health = vim.health or require('health')
local report = {
  start = health.start or health.report_start,
  ok = health.ok or health.report_ok,
  info = health.info or health.report_info,
  warn = health.warn or health.report_warn,
  error = health.error or health.report_error,
}

--- Where the server writes its log.
---@return string
local function log_directory()
  local function of(variable)
    local value = vim.env[variable]
    return value ~= '' and value or nil
  end
  local base = of('XDG_STATE_HOME') or vim.fn.expand('~/.local/state')
  return (of('HEADCOUNT_STATE_DIR') or base .. '/headcount') .. '/logs'
end

---@param problem headcount.Problem
local function tell_problem(problem)
  report.warn(words.problem(problem))
end

---@param agent headcount.AgentReport
local function tell_agent(agent)
  local name = client.agent_name(agent.agent)
  if agent.outcome == 'absent' then
    return report.info(name .. ': not here')
  end
  local noun = agent.sessions == 1 and 'session' or 'sessions'
  local line = ('%s: %d %s, %d ms'):format(name, agent.sessions, noun, agent.elapsedMs)
  if agent.outcome == 'ok' and #agent.problems == 0 then
    return report.ok(line)
  end
  report.warn(('%s, %s'):format(line, agent.outcome:gsub('_', ' ')))
  vim.tbl_map(tell_problem, agent.problems)
end

local function check_server()
  local err, said = client.request_sync('initialize', hello.params(), M.patience_ms)
  if err then
    -- Where it is started again and again, why it ended says more than that nothing was heard.
    local why = client.trouble() and screen.clean(client.trouble())
    return report.error(why or 'no hello from the server: ' .. words.error(err))
  end
  if said.protocolVersion == PROTOCOL then
    report.ok(('version %s, protocol %d'):format(said.serverInfo.version, said.protocolVersion))
  else
    local line = 'version %s speaks protocol %d; this plugin speaks %d'
    report.warn(line:format(said.serverInfo.version, said.protocolVersion, PROTOCOL))
  end
  report.info('log: ' .. log_directory())
  report.start('headcount: agents')
  local wanted = { limit = 1, deadlineMs = DEADLINE_MS }
  local list_err, list = client.request_sync('session.list', wanted, M.patience_ms)
  if list_err then
    return report.error('no list: ' .. words.error(list_err))
  end
  vim.tbl_map(tell_agent, list.agents)
  vim.tbl_map(tell_problem, list.problems or {})
end

function M.check()
  report.start('headcount')
  local program = config.program()
  if not program then
    local advice =
      { 'cargo install --path .', "require('headcount').setup({ cmd = { '/path/to/headcount' } })" }
    return report.error(('no program `%s`'):format(config.current.cmd[1]), advice)
  end
  report.ok('program: ' .. program)
  check_server()
end

return M
