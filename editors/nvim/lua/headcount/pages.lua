--- Pages of one session in buffers: its transcript, and why its status is what it is.
---
--- A page is `headcount://transcript/AGENT/ID` or `headcount://evidence/AGENT/ID`, the latter with `process PID` for a
--- session that has no id yet; `:edit` reads it anew, and a transcript that somebody looks at follows its session.

local buffers = require('headcount.buffer')
local client = require('headcount.client')
local notices = require('headcount.notices')
local roster = require('headcount.roster')
local screen = require('headcount.screen')
local window = require('headcount.window')
local words = require('headcount.words')

local M = {}

--- What each page shows, by buffer: `:edit` empties a page before it is known whether it can be read anew.
---@type table<integer, string[]>
local shown = {}

--- The least time between two readings of what is shown: an agent at work may be told of ten times a second.
local REREAD_MS = 500

--- Turns of a transcript page.
local TURNS = 50

--- What stands in the place of an ID for a session that has none yet: this, and the process that owns it.
local PROCESS = 'process '

---@param session headcount.Session
---@return string[]
local function header(session)
  local agent = client.agent_name(session.agent)
  local facts = {}
  -- Counted: what is not known leaves a gap.
  local known = { agent, session.model, words.status(session), session.cwd, session.branch }
  for index = 1, 5 do
    if known[index] then
      table.insert(facts, screen.clean(known[index]))
    end
  end
  return { '# ' .. words.title(session), '', table.concat(facts, ' · '), '' }
end

---@param text string
---@return string[]
local function lines_of(text)
  return vim.split((text:gsub('\r\n', '\n'):gsub('%s+$', '')), '\n', { plain = true })
end

--- The last turns, as Markdown source.
---@param session headcount.Session
---@param peek headcount.PeekResult
---@return string[]
function M.transcript(session, peek)
  local lines = header(session)
  if peek.earlier then
    vim.list_extend(lines, { '[Earlier turns are not shown.]', '' })
  end
  local unseen = peek.problems or {}
  if #peek.turns == 0 and #unseen == 0 then
    vim.list_extend(lines, { '[Nothing was said yet.]', '' })
  end
  for _, problem in ipairs(unseen) do
    local why = words.problem(problem)
    vim.list_extend(lines, { ('[The turns cannot be shown: %s]'):format(why), '' })
  end
  local speaker = { user = 'You', assistant = client.agent_name(session.agent), tool = 'Tool' }
  for _, turn in ipairs(peek.turns) do
    local who = turn.tool and 'Tool: ' .. words.one_line(turn.tool)
      or speaker[turn.role]
      or screen.clean(turn.role)
    local heading = '## ' .. who .. (turn.at and ' — ' .. words.clock(turn.at) or '')
    vim.list_extend(lines, { heading, '' })
    vim.list_extend(lines, lines_of(turn.text))
    vim.list_extend(lines, turn.truncated and { '', '[…]', '' } or { '' })
  end
  return lines
end

---@type table<string, string>
local SOURCE = {
  registry = "the agent's record of its live processes",
  lock = 'a lock on the session',
  process = 'the processes of this machine',
  transcript = 'the transcript',
  database = "the agent's database",
  gateway = "the agent's service",
  ledger = 'what headcount launched',
}

---@type table<string, string>
local CERTAINTY = {
  asserted = 'the agent itself or the system says so',
  inferred = 'concluded from what the agent wrote and what runs, for want of a word of its own',
}

--- What is known of a session beside its evidence.
---@param session headcount.Session
---@return string[]
local function facts(session)
  local lines = {}
  local function fact(name, value)
    if value then
      table.insert(lines, ('- %s: %s'):format(name, value))
    end
  end
  local reason, certainty, process = session.reason, session.certainty, session.process
  local means = CERTAINTY[certainty]
  local looked = (session.evidence or {})[1]
  fact('Status', ('%s (%s)'):format(session.status, (reason:gsub('_', ' '))))
  fact('Certainty', means and ('%s: %s'):format(certainty, means) or certainty)
  fact('Conflict', session.conflict and 'two live processes write this session')
  fact('Process', process and ('%d, since %s'):format(process.pid, words.clock(process.startedAt)))
  fact('Tokens', session.usage and words.usage(session.usage))
  fact('Session', session.sessionId and screen.clean(session.sessionId))
  fact('Looked at', looked and words.clock(looked.observedAt))
  return lines
end

--- The chain of evidence that led to a status.
---@param result headcount.StatusResult
---@return string[]
function M.evidence(result)
  local session = result.session
  local evidence = session.evidence or {}
  local lines = vim.list_extend(header(session), facts(session))
  vim.list_extend(lines, { '', '## Evidence', '' })
  for _, it in ipairs(evidence) do
    local source = SOURCE[it.source] or screen.clean(it.source)
    table.insert(lines, ('- %s: %s'):format(source, screen.clean(it.says)))
  end
  if #evidence == 0 then
    table.insert(lines, '[None.]')
  end
  if not result.complete then
    vim.list_extend(lines, { '', '[Not everything could be looked at.]' })
  end
  return lines
end

--- Windows whose cursor is on the last line of the page: they go along when it grows.
---@param buffer integer
---@return integer[]
local function at_the_end(buffer)
  local count = vim.api.nvim_buf_line_count(buffer)
  return vim.tbl_filter(function(shown_in)
    return vim.api.nvim_win_get_cursor(shown_in)[1] == count
  end, vim.fn.win_findbuf(buffer))
end

---@param buffer integer
---@param lines string[]
---@param grows boolean whether what is new comes at the end
local function write(buffer, lines, grows)
  local following = grows and at_the_end(buffer) or {}
  buffers.put(buffer, lines)
  for _, shown_in in ipairs(following) do
    vim.api.nvim_win_set_cursor(shown_in, { #lines, 0 })
  end
end

---@param buffer integer
---@return string|nil kind, string agent, string id
local function parse(buffer)
  return vim.api.nvim_buf_get_name(buffer):match('^headcount://(%a+)/([^/]+)/(.+)$')
end

--- Asks for both, the session and its last turns; calls back once.
---@param params table
---@param callback headcount.Callback
local function ask_transcript(params, callback)
  client.look('session.status', params, function(err, status)
    if err then
      return callback(err)
    end
    local peek = vim.tbl_extend('error', { turns = TURNS }, params)
    client.look('session.peek', peek, function(peek_err, turns)
      callback(peek_err, turns and M.transcript(status.session, turns))
    end)
  end)
end

---@param params table
---@param callback headcount.Callback
local function ask_evidence(params, callback)
  client.look('session.status', params, function(err, status)
    callback(err, status and M.evidence(status))
  end)
end

local ASK = { transcript = ask_transcript, evidence = ask_evidence }

--- Asks for the text of a page anew. Where there is none, what is shown stays: it may be just being read.
---@param buffer integer
local function fill(buffer)
  local kind, agent, id = parse(buffer)
  local pid = id:match('^' .. PROCESS .. '(%d+)$')
  local named = pid and { pid = tonumber(pid) } or { sessionId = id }
  ASK[kind](vim.tbl_extend('error', { agent = agent }, named), function(err, lines)
    if not vim.api.nvim_buf_is_loaded(buffer) then
      return
    elseif lines then
      shown[buffer] = lines
      write(buffer, lines, kind == 'transcript')
    elseif shown[buffer] then
      notices.tell('Headcount: ' .. words.error(err), vim.log.levels.WARN)
    else
      write(buffer, { '[' .. words.error(err) .. ']' }, false)
    end
  end)
end

--- Makes a buffer a page: called when it is read, which `:edit` does anew.
---@param buffer integer
function M.load(buffer)
  local kind = parse(buffer)
  buffers.prepare(buffer, ASK[kind] and 'markdown' or '')
  if not ASK[kind] then
    return
  end
  vim.keymap.set('n', 'q', function()
    require('headcount.list').open()
  end, { buffer = buffer, nowait = true, silent = true, desc = 'Headcount: back to the list' })
  local group = vim.api.nvim_create_augroup('headcount.page.' .. buffer, {})
  vim.api.nvim_create_autocmd('BufWipeout', {
    group = group,
    buffer = buffer,
    callback = function()
      shown[buffer] = nil
    end,
  })
  vim.api.nvim_create_autocmd('BufWinEnter', {
    group = group,
    buffer = buffer,
    callback = function()
      vim.opt_local.linebreak = true -- what is said has long lines, which are read by words
    end,
  })
  write(buffer, shown[buffer] or { '[Looking …]' }, kind == 'transcript')
  fill(buffer)
end

--- Shows a page of a session.
---@param kind 'transcript'|'evidence'
---@param session headcount.Session
function M.open(kind, session)
  -- Before its agent has given it an id, a session is known by its process.
  local id = session.sessionId or PROCESS .. session.process.pid
  local buffer = vim.fn.bufadd(('headcount://%s/%s/%s'):format(kind, session.agent, id))
  local is_loaded = vim.api.nvim_buf_is_loaded(buffer)
  vim.bo[buffer].buflisted = true
  window.show(buffer)
  if is_loaded then
    fill(buffer)
  end
end

--- The sessions whose pages are out of date.
---@type table<string, true>
local changed = {}
local is_resting = false

--- Reads again what somebody looks at: at once, and once more for all that changes in the time after that.
local function read_again()
  is_resting = next(changed) ~= nil
  if not is_resting then
    return
  end
  local seen = {}
  for _, shown_in in ipairs(vim.api.nvim_list_wins()) do
    local buffer = vim.api.nvim_win_get_buf(shown_in)
    local kind, agent, id = parse(buffer)
    if kind == 'transcript' and not seen[buffer] and changed[agent .. ' ' .. id] then
      seen[buffer] = true
      fill(buffer)
    end
  end
  changed = {}
  vim.defer_fn(read_again, REREAD_MS)
end

--- Transcripts that somebody looks at follow their sessions.
---@param steps headcount.Step[]
local function follow(steps)
  for _, step in ipairs(steps) do
    local before, after = step.before, step.after
    local is_same = before
      and after
      and before.updatedAt == after.updatedAt
      and before.status == after.status
      and before.reason == after.reason
    if before and after and not is_same then
      changed[roster.key(step.after)] = true
    end
  end
  if not is_resting then
    read_again()
  end
end

roster.on_change(follow)

return M
