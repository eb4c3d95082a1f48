--- The sessions as the server last told them: one snapshot, then its changes.

local client = require('headcount.client')

local M = {}

---@class headcount.Step
---@field before headcount.Session|nil
---@field after headcount.Session|nil

--- The most that one list may hold: the server's own limit.
local WHOLE_PAGE = 10000

---@type table<string, integer>
local RANK = { waiting = 1, running = 2, idle = 3 }

---@type table<string, headcount.Session>
local sessions = {}
---@type headcount.AgentReport[]
local reports = {}
---@type headcount.Problem[]
local problems = {}
---@type fun(steps: headcount.Step[])[]
local observers = {}
local seq = 0
local is_watching = false
local is_known = false

--- What names a session: its id, the process of one that has no id yet, or the launch of one that ended without.
---@param session headcount.Session
---@return string
function M.key(session)
  local process, launch = session.process, session.launch or {}
  local unnamed = process and ('pid %s %s'):format(process.pid, process.startedAt)
    or ('launch %s'):format(launch.launchId)
  return session.agent .. ' ' .. (session.sessionId or unnamed)
end

---@param steps headcount.Step[]
local function tell(steps)
  for _, observer in ipairs(observers) do
    observer(steps)
  end
end

--- Takes these sessions for all there are. The first ones are no steps: nobody has seen what came before.
---@param list headcount.Session[]
local function replace(list)
  local steps, now = {}, {}
  for _, session in ipairs(list) do
    local key = M.key(session)
    now[key] = session
    if is_known then
      table.insert(steps, { before = sessions[key], after = session })
    end
  end
  sessions, is_known = now, true
  tell(steps)
end

---@param changes headcount.Change[]
local function apply(changes)
  local steps = {}
  for _, change in ipairs(changes) do
    local key = M.key(change.session)
    local after = change.kind ~= 'removed' and change.session or nil
    table.insert(steps, { before = sessions[key], after = after })
    sessions[key] = after
  end
  tell(steps)
end

client.on('session.changed', function(params)
  local event = params.result
  problems = event.problems or {}
  local expected = seq + 1
  seq = event.seq
  if event.seq == 1 then
    local snapshot = {}
    for _, change in ipairs(event.changes) do
      table.insert(snapshot, change.session)
    end
    return replace(snapshot)
  end
  apply(event.changes)
  if event.seq ~= expected then
    M.refresh() -- something was missed
  end
end)

client.on_state(function(state)
  if state == 'ready' and is_watching then
    M.resume()
  end
end)

--- Asks anew for what is pushed: the server is another one.
function M.resume()
  seq = 0
  if not client.can('session.watch') then
    return M.refresh()
  end
  client.request('session.watch', {}, function(err)
    if err and err.code ~= client.GONE then
      M.refresh() -- what cannot be pushed can be asked for
    end
  end)
end

--- Keeps the roster true from now on; starts the server where it is not there.
---@param callback fun(err: headcount.Error|nil)|nil
function M.watch(callback)
  local is_first = not is_watching
  is_watching = true
  local was_ready = client.state() == 'ready'
  client.start(function(err)
    if not err and is_first and was_ready then
      M.resume()
    end
    if callback then
      callback(err)
    end
  end)
end

--- Asks for the whole list, and who contributed what to it.
---@param callback fun(err: headcount.Error|nil)|nil
function M.refresh(callback)
  client.request('session.list', { limit = WHOLE_PAGE }, function(err, result)
    if not err then
      reports = result.agents
      replace(result.sessions)
    end
    if callback then
      callback(err)
    end
  end)
end

---@param one headcount.Session
---@param other headcount.Session
---@return boolean
local function comes_before(one, other)
  local rank, others = RANK[one.status] or 4, RANK[other.status] or 4
  if rank ~= others then
    return rank < others
  elseif one.updatedAt ~= other.updatedAt then
    return (one.updatedAt or '') > (other.updatedAt or '')
  end
  return M.key(one) < M.key(other)
end

--- All sessions, in the server's order: who needs somebody, who works, who is idle, the rest; the newest first.
---@return headcount.Session[]
function M.sessions()
  local list = vim.tbl_values(sessions)
  table.sort(list, comes_before)
  return list
end

---@param key string
---@return headcount.Session|nil
function M.get(key)
  return sessions[key]
end

---@param status headcount.Status
---@return integer
function M.count(status)
  local count = 0
  for _, session in pairs(sessions) do
    if session.status == status and session.kind ~= 'subagent' then
      count = count + 1
    end
  end
  return count
end

--- What could not be looked at, a line each.
---@return string[]
function M.trouble()
  local lines = {}
  for _, problem in ipairs(problems) do
    table.insert(lines, problem.message)
  end
  for _, report in ipairs(reports) do
    local count = #report.problems + (report.problemsOmitted or 0)
    if count > 0 then
      local noun = count == 1 and 'problem' or 'problems'
      table.insert(lines, ('%s: %d %s'):format(client.agent_name(report.agent), count, noun))
    end
  end
  return lines
end

--- Whether the server was ever heard.
---@return boolean
function M.is_known()
  return is_known
end

--- Hears each change.
---@param observer fun(steps: headcount.Step[])
function M.on_change(observer)
  table.insert(observers, observer)
end

return M
