--- Sessions in words. Whatever came from an agent is untrusted: it is shown, never interpreted.

local screen = require('headcount.screen')

local M = {}

--- Widest title of a row; a prompt may be much longer.
local TITLE_MAX = 100

---@type table<string, string>
M.SYMBOL =
  { waiting = '▲', running = '●', idle = '○', stopped = '·', failed = '✗', unknown = '?' }

---@type table<string, string>
local STATUS = {
  waiting = 'waiting for you',
  running = 'running',
  idle = 'idle',
  stopped = 'stopped',
  failed = 'failed',
  unknown = 'unknown',
}

---@type table<string, string>
local REASON = {
  permission = 'waiting for a permission',
  question = 'waiting for an answer',
  plan = 'waiting for a plan to be approved',
  input = 'waiting for input',
  login = 'waiting for a login',
  suspended = 'waiting to be continued',
  never_prompted = 'idle, nothing asked yet',
  completed = 'stopped: completed',
  interrupted = 'stopped: interrupted',
  killed = 'stopped: killed',
  model_error = 'failed: model error',
  auth = 'failed: login',
  exit_code = 'failed: exit code',
  launch_error = 'failed to launch',
  adapter_failed = 'unknown: cannot be looked at',
  unreachable = 'unknown: out of reach',
  unrecognised = 'unknown: in a state that this version does not know',
  contradiction = 'unknown: the evidence contradicts itself',
}

---@type table<string, string>
local NEED = {
  permission = 'a permission',
  question = 'an answer',
  plan = 'a plan approved',
  input = 'input',
  login = 'a login',
  suspended = 'to be continued',
}

--- Clean text that is not too long, for what a session says of itself.
---@param text string
---@return string
function M.one_line(text)
  local flat = screen.clean(text)
  if #flat > TITLE_MAX and vim.fn.strchars(flat) > TITLE_MAX then
    flat = vim.fn.strcharpart(flat, 0, TITLE_MAX - 1) .. '…'
  end
  return flat
end

--- A session's title: its own, else what was asked of it.
---@param session headcount.Session
---@return string
function M.title(session)
  local text = session.title or (session.launch and session.launch.label) or session.prompt or ''
  local line = M.one_line(text)
  if line ~= '' then
    return line
  end
  return session.sessionId and 'Session ' .. session.sessionId:sub(1, 8) or 'New session'
end

--- The status in words, for people.
---@param session headcount.Session
---@return string
function M.status(session)
  local plain = STATUS[session.status] or STATUS.unknown
  local word = REASON[session.reason] or plain
  if session.reason == 'process_alive' then
    word = plain == STATUS.unknown and 'unknown: its process lives'
      or plain .. ', as far as can be seen'
  end
  return session.conflict and word .. ', two processes write it' or word
end

--- What a waiting session needs of a person: `needs a permission`.
---@param session headcount.Session
---@return string
function M.need_of(session)
  return 'needs ' .. (NEED[session.reason] or 'you')
end

--- The seconds since 1970 of an RFC 3339 time in UTC, or nil.
---@param timestamp string
---@return integer|nil
local function seconds(timestamp)
  local year, month, day, hour, min, sec = timestamp:match('^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)')
  if not year then
    return nil
  end
  -- Days since 1970 with years that begin in March: `os.time` would read it as local time.
  local y = tonumber(month) > 2 and tonumber(year) or tonumber(year) - 1
  local m = (tonumber(month) + 9) % 12
  local days = 365 * y + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400)
  days = days + math.floor((153 * m + 2) / 5) + tonumber(day) - 1 - 719468
  return ((days * 24 + tonumber(hour)) * 60 + tonumber(min)) * 60 + tonumber(sec)
end

--- How long ago that was: `now`, `5m`, `3h`, `2d`, `4w`.
---@param timestamp string|nil
---@param now integer seconds since 1970
---@return string
function M.age(timestamp, now)
  local at = timestamp and seconds(timestamp)
  if not at then
    return ''
  end
  local minutes = math.floor((now - at) / 60)
  if minutes < 1 then
    return 'now'
  elseif minutes < 60 then
    return ('%dm'):format(minutes)
  elseif minutes < 60 * 24 then
    return ('%dh'):format(minutes / 60)
  elseif minutes < 60 * 24 * 14 then
    return ('%dd'):format(minutes / (60 * 24))
  end
  return ('%dw'):format(minutes / (60 * 24 * 7))
end

--- `2026-11-22T20:22:31.081Z` as `2026-11-22 20:22:31`, by the clock of this place.
---@param timestamp string
---@return string
function M.clock(timestamp)
  local at = seconds(timestamp)
  return at and os.date('%Y-%m-%d %H:%M:%S', at) or timestamp
end

--- What Vim says in an error, without where it was raised.
---@param trouble any
---@return string
function M.vim_error(trouble)
  local text = tostring(trouble)
  return text:match('E%d+: .*') or text
end

--- A count that fits a row: 950, 1.2k, 34k, 1.5M.
---@param tokens integer
---@return string
local function count(tokens)
  if tokens < 1000 then
    return ('%d'):format(tokens)
  end
  local value, unit = tokens / 1000, 'k'
  if tokens >= 999500 then
    value, unit = tokens / 1000000, 'M'
  end
  return (value < 10 and '%.1f%s' or '%.0f%s'):format(value, unit)
end

--- Tokens and cost on one line.
---@param usage headcount.SessionUsage
---@return string
function M.usage(usage)
  local cached = (usage.cacheReadTokens or 0) + (usage.cacheWriteTokens or 0)
  local parts = { count(usage.inputTokens) .. ' in' }
  if cached > 0 then
    table.insert(parts, count(cached) .. ' cached')
  end
  table.insert(parts, count(usage.outputTokens) .. ' out')
  if usage.costUsd then
    local about = usage.costIsEstimate and 'about ' or ''
    table.insert(parts, ('%s$%.2f'):format(about, usage.costUsd))
  end
  return table.concat(parts, ' · ')
end

--- How many sessions need somebody: `2 need you`, nothing where none does.
---@param waiting integer
---@return string
function M.need(waiting)
  if waiting == 0 then
    return ''
  end
  return ('%d need%s you'):format(waiting, waiting == 1 and 's' or '')
end

--- What an agent that did not come up said last, or nil.
---@param data table
---@return string|nil
local function last_words(data)
  local last = nil
  for line in (type(data.output) == 'string' and data.output or ''):gmatch('[^\r\n]+') do
    local clean = screen.clean(line)
    last = clean ~= '' and clean or last
  end
  return last
end

--- A problem in words, with what it concerns.
---@param problem headcount.Problem
---@return string
function M.problem(problem)
  local at = problem.path and (' (%s)'):format(problem.path) or ''
  return screen.clean(problem.message .. at)
end

--- An error in words, with what the agent said, or what can be done about it.
---@param err headcount.Error
---@return string
function M.error(err)
  local data = type(err.data) == 'table' and err.data or {}
  local text = screen.clean(err.message or 'the request failed')
  local output = last_words(data)
  if output then
    text = text .. ': ' .. output
  elseif type(data.hint) == 'string' then
    text = text .. '; ' .. screen.clean(data.hint)
  end
  return text
end

return M
