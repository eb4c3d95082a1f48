--- The sessions as the server last told them: one snapshot, then its changes.

local client = require('headcount.client')

local M = {}

---@class headcount.Step
---@field before headcount.Session|nil
---@field after headcount.Session|nil
---@field is_born boolean|nil whether it came into being while we looked; else one without `before` is merely new to us

--- The first answer holds what is urgent and what is recent; the first push holds the rest.
local FIRST_PAGE = 200
--- The most that one list may hold: the server's own limit.
local WHOLE_PAGE = 10000

---@type table<string, integer>
local RANK = { waiting = 1, running = 2, idle = 3 }

--- What was told last; true only while there is a server that keeps it so.
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
--- How many of them there are by status, without subagents: a status line asks with every move of the cursor.
---@type table<string, integer>
local counts = {}
--- What this server pushed last; nil until it has.
---@type headcount.Changed|nil
local pushed = nil
--- For each list that is under way, what was pushed since it was asked for.
---@type table<headcount.Changed[], true>
local underway = {}
--- When this server was first heard: what was active before is told late, and no news.
local since = ''

--- What names a session: its id, the process of one that has no id yet, or the launch of one that ended without.
---@param session headcount.Session
---@return string
function M.key(session)
  local process, launch = session.process, session.launch or {}
  local unnamed = process and ('pid %s %s'):format(process.pid, process.startedAt)
    or ('launch %s'):format(launch.launchId)
  return session.agent .. ' ' .. (session.sessionId or unnamed)
end

--- What is known now.
---@return table<string, headcount.Session>
local function held()
  return is_known and sessions or {}
end

---@param steps headcount.Step[]
local function tell(steps)
  counts = {}
  for _, session in pairs(held()) do
    if session.kind ~= 'subagent' then
      counts[session.status] = (counts[session.status] or 0) + 1
    end
  end
  for _, observer in ipairs(observers) do
    observer(steps)
  end
end

--- Takes these sessions for all there are, or for a part of them. One that was not known is no step: nobody has seen what
--- came before. What was known of the agents that are `unseen` stays as it was.
---@param list headcount.Session[]
---@param unseen table<string, true>
---@param is_part boolean|nil
local function replace(list, unseen, is_part)
  local steps, now = {}, {}
  for key, session in pairs(sessions) do
    now[key] = (is_part or unseen[session.agent]) and session or nil
  end
  for _, session in ipairs(list) do
    if not unseen[session.agent] then
      local key = M.key(session)
      now[key] = session
      if sessions[key] then
        table.insert(steps, { before = sessions[key], after = session })
      end
    end
  end
  sessions, is_known = now, true
  tell(steps)
end

--- When a session was last known to do something.
---@param session headcount.Session
---@return string
local function last_sign(session)
  local process = session.process or {}
  return session.updatedAt or session.createdAt or process.startedAt or ''
end

---@param changes headcount.Change[]
local function apply(changes)
  local steps = {}
  for _, change in ipairs(changes) do
    local key = M.key(change.session)
    local after = change.kind ~= 'removed' and change.session or nil
    local is_born = change.kind == 'added' and last_sign(change.session) > since
    table.insert(steps, { before = sessions[key], after = after, is_born = is_born })
    sessions[key] = after
  end
  tell(steps)
end

---@param report headcount.AgentReport
---@return boolean
local function is_unseen(report)
  return report.outcome == 'failed' or report.outcome == 'timed_out'
end

--- The reports that hold where a server pushes: among its problems it names each agent that cannot be looked at now.
---@param all headcount.AgentReport[]
---@return headcount.AgentReport[]
local function where_seen(all)
  return vim.tbl_filter(function(report)
    return not is_unseen(report)
  end, all)
end

--- The agents that could not be looked at.
---@param all headcount.AgentReport[]
---@return table<string, true>
local function unseen_agents(all)
  local unseen = {}
  for _, report in ipairs(all) do
    unseen[report.agent] = is_unseen(report) or nil
  end
  return unseen
end

--- Takes what a list could not read, beside what keeps changes from being seen: each once.
---@param told headcount.Problem[]|nil
local function take_problems(told)
  problems = vim.list_extend({}, pushed and pushed.problems or {})
  local known = {}
  for _, problem in ipairs(problems) do
    known[problem.message] = true
  end
  for _, problem in ipairs(told or {}) do
    if not known[problem.message] then
      table.insert(problems, problem)
    end
  end
end

client.on('session.changed', function(params)
  local event = params.result
  pushed = event
  for pushes in pairs(underway) do
    table.insert(pushes, event)
  end
  problems = event.problems or {}
  reports = where_seen(reports)
  local expected = seq + 1
  seq = event.seq
  if event.seq == 1 then
    since = event.observedAt
    local snapshot = {}
    for _, change in ipairs(event.changes) do
      table.insert(snapshot, change.session)
    end
    return replace(snapshot, {})
  end
  apply(event.changes)
  if event.seq ~= expected then
    M.refresh() -- something was missed
  end
end)

client.on_state(function(state)
  if state == 'ready' and is_watching then
    M.resume()
  elseif state ~= 'ready' and state ~= 'starting' then
    -- Nobody keeps it true; what was known stays for the comparison with what the next server tells.
    is_known, reports, problems = false, {}, {}
    tell({})
  end
end)

--- These sessions after these changes.
---@param list headcount.Session[]
---@param changes headcount.Change[]
---@return headcount.Session[]
local function changed(list, changes)
  local by_key = {}
  for _, session in ipairs(list) do
    by_key[M.key(session)] = session
  end
  for _, change in ipairs(changes) do
    by_key[M.key(change.session)] = change.kind ~= 'removed' and change.session or nil
  end
  return vim.tbl_values(by_key)
end

--- Takes what a list told, but for what a watch knows better: nobody would tell that a second time.
---@param told headcount.ListResult
---@param meanwhile headcount.Changed[] what was pushed since it was asked for
local function take(told, meanwhile)
  reports = told.agents
  take_problems(told.problems)
  local changes = {}
  for _, push in ipairs(meanwhile) do
    if push.observedAt >= told.observedAt then
      if push.seq == 1 then
        return tell({}) -- a watch began with all that there is
      end
      vim.list_extend(changes, push.changes)
    end
  end
  -- A first page of what was known as a whole before would only take rows away.
  local is_part = told.nextCursor ~= nil and vim.tbl_count(sessions) > #told.sessions
  local unseen = pushed and unseen_agents(told.agents) or {}
  replace(changed(told.sessions, changes), unseen, is_part)
end

--- Asks for so many sessions, and who contributed what to them.
---@param limit integer
---@param callback fun(err: headcount.Error|nil)|nil
local function ask(limit, callback)
  local meanwhile = {}
  underway[meanwhile] = true
  client.look('session.list', { limit = limit }, function(err, result)
    underway[meanwhile] = nil
    if not err then
      take(result, meanwhile)
    end
    if callback then
      callback(err)
    end
  end)
end

--- Asks for the whole list.
---@param callback fun(err: headcount.Error|nil)|nil
function M.refresh(callback)
  ask(WHOLE_PAGE, callback)
end

--- Asks anew for what is told: the server is another one. First for a list, which is there before the first push: that
--- waits until every store is watched.
function M.resume()
  seq, pushed = 0, nil
  if not client.can('session.watch') then
    return M.refresh()
  end
  ask(FIRST_PAGE, function(err)
    if err and err.code == client.GONE then
      return
    end
    client.request('session.watch', {}, function(watch_err)
      if watch_err and watch_err.code ~= client.GONE then
        M.refresh() -- what cannot be pushed can be asked for
      end
    end)
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

---@class headcount.Place
---@field session headcount.Session
---@field rank integer
---@field at string when it was last active
---@field key string

---@param one headcount.Place
---@param other headcount.Place
---@return boolean
local function comes_before(one, other)
  if one.rank ~= other.rank then
    return one.rank < other.rank
  elseif one.at ~= other.at then
    return one.at > other.at
  end
  return one.key < other.key
end

--- All sessions, in the server's order: who needs somebody, who works, who is idle, the rest; the newest first.
---@return headcount.Session[]
function M.sessions()
  local places = {}
  for key, session in pairs(held()) do
    local rank, at = RANK[session.status] or 4, session.updatedAt or ''
    table.insert(places, { session = session, rank = rank, at = at, key = key })
  end
  table.sort(places, comes_before)
  return vim.tbl_map(function(place)
    return place.session
  end, places)
end

---@param key string
---@return headcount.Session|nil
function M.get(key)
  return held()[key]
end

---@param status headcount.Status
---@return integer
function M.count(status)
  return counts[status] or 0
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
    local what = is_unseen(report) and 'could not be looked at'
      or count == 1 and '1 problem'
      or count > 1 and ('%d problems'):format(count)
    if what then
      local name = client.agent_name(report.agent)
      table.insert(lines, ('%s: %s; see :checkhealth headcount'):format(name, what))
    end
  end
  return lines
end

--- Whether a server was heard that is there, or is started again.
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
