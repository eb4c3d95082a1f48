--- The list of sessions in a buffer, with keys for what can be done with each.

local actions = require('headcount.actions')
local client = require('headcount.client')
local config = require('headcount.config')
local roster = require('headcount.roster')
local words = require('headcount.words')

local M = {}

local NAME = 'headcount://sessions'
local NAMESPACE = vim.api.nvim_create_namespace('headcount')

---@type table<string, string> highlight groups by status; each links to one that every colour scheme has
local HIGHLIGHT = {
  waiting = 'HeadcountWaiting',
  running = 'HeadcountRunning',
  idle = 'HeadcountIdle',
  stopped = 'HeadcountStopped',
  failed = 'HeadcountFailed',
  unknown = 'HeadcountUnknown',
}
local LINKS = {
  HeadcountWaiting = 'WarningMsg',
  HeadcountRunning = 'String',
  HeadcountIdle = 'Normal',
  HeadcountStopped = 'Comment',
  HeadcountFailed = 'ErrorMsg',
  HeadcountUnknown = 'Comment',
  HeadcountHeading = 'Title',
  HeadcountHint = 'Comment',
}

---@type integer|nil
local buffer = nil
---@type table<integer, string> line → key of the session on it
local keys_by_line = {}
local shows_all = false

---@param name string
---@param session headcount.Session
local function fold_home(name, session)
  local path = session[name]
  return path and words.one_line(vim.fn.fnamemodify(path, ':~')) or ''
end

---@param text string
---@param width integer
---@return string
local function padded(text, width)
  return text .. string.rep(' ', width - vim.fn.strdisplaywidth(text))
end

---@param session headcount.Session
---@param now integer
---@return string[] cells
local function cells(session, now)
  return {
    (words.SYMBOL[session.status] or '?') .. ' ' .. session.status,
    client.agent_name(session.agent),
    words.title(session),
    fold_home('cwd', session),
    words.age(session.updatedAt, now),
  }
end

--- What is shown of these sessions: all who have a live owner, and the newest of the rest.
---@param sessions headcount.Session[]
---@return headcount.Session[] shown, integer omitted
local function shown_of(sessions)
  local shown, ended, omitted = {}, 0, 0
  for _, session in ipairs(sessions) do
    local is_live = session.status == 'waiting'
      or session.status == 'running'
      or session.status == 'idle'
    ended = ended + (is_live and 0 or 1)
    if is_live or shows_all or ended <= config.current.ended then
      table.insert(shown, session)
    else
      omitted = omitted + 1
    end
  end
  return shown, omitted
end

---@return string
local function heading()
  local state = client.state()
  if state == 'missing' then
    return 'no headcount program; see :checkhealth headcount'
  elseif state == 'failed' then
    return 'the server keeps ending; see :checkhealth headcount'
  elseif not roster.is_known() then
    return 'looking …'
  end
  local parts = {}
  for _, part in ipairs({
    words.need(roster.count('waiting')),
    roster.count('running') > 0 and roster.count('running') .. ' running' or '',
    roster.count('idle') > 0 and roster.count('idle') .. ' idle' or '',
  }) do
    if part ~= '' then
      table.insert(parts, part)
    end
  end
  return #parts > 0 and table.concat(parts, ' · ') or 'nobody is at work'
end

---@class headcount.ListKey
---@field lhs string
---@field does string
---@field needs string|nil the method without which it is dark
---@field run fun()

---@param run fun(session: headcount.Session)
---@return fun()
local function on_row(run)
  return function()
    local key = keys_by_line[vim.api.nvim_win_get_cursor(0)[1]]
    local session = key and roster.get(key)
    if session then
      run(session)
    end
  end
end

---@type headcount.ListKey[]
local KEYS = {
  { lhs = '<CR>', does = 'transcript', needs = 'session.peek', run = on_row(actions.peek) },
  { lhs = 'e', does = 'explain', needs = 'session.status', run = on_row(actions.explain) },
  { lhs = 's', does = 'stop', needs = 'session.stop', run = on_row(actions.stop) },
  { lhs = 'r', does = 'resume', needs = 'session.resume', run = on_row(actions.resume) },
  { lhs = 'c', does = 'continue', needs = 'session.resume', run = on_row(actions.continue) },
  { lhs = 'o', does = 'launch', needs = 'session.launch', run = actions.launch },
  { lhs = 'Y', does = 'copy id', run = on_row(actions.copy_id) },
  { lhs = 'R', does = 'refresh', run = roster.refresh },
  {
    lhs = 'a',
    does = 'all',
    run = function()
      shows_all = not shows_all
      M.render()
    end,
  },
  {
    lhs = 'q',
    does = 'close',
    run = function()
      vim.cmd(#vim.api.nvim_list_wins() > 1 and 'close' or 'bdelete')
    end,
  },
}

---@return string
local function hint()
  local parts = {}
  for _, key in ipairs(KEYS) do
    if not key.needs or client.can(key.needs) then
      table.insert(parts, key.lhs .. ' ' .. key.does)
    end
  end
  return table.concat(parts, '  ')
end

---@class headcount.Drawn
---@field lines string[]
---@field marks {line: integer, last: integer, group: string}[]
---@field keys table<integer, string>

---@param now integer
---@return headcount.Drawn
local function draw(now)
  local drawn = {
    lines = { heading(), hint(), '' },
    marks = {
      { line = 1, last = -1, group = 'HeadcountHeading' },
      { line = 2, last = -1, group = 'HeadcountHint' },
    },
    keys = {},
  }
  local shown, omitted = shown_of(roster.sessions())
  local rows, widths = {}, { 0, 0, 0, 0, 0 }
  for _, session in ipairs(shown) do
    local row = cells(session, now)
    for column, cell in ipairs(row) do
      widths[column] = math.max(widths[column], vim.fn.strdisplaywidth(cell))
    end
    table.insert(rows, row)
  end
  for index, row in ipairs(rows) do
    for column = 1, #row - 1 do
      row[column] = padded(row[column], widths[column])
    end
    table.insert(drawn.lines, vim.trim(table.concat(row, '  ')))
    local status = shown[index].status
    local mark =
      { line = #drawn.lines, last = #row[1], group = HIGHLIGHT[status] or 'HeadcountUnknown' }
    table.insert(drawn.marks, mark)
    drawn.keys[#drawn.lines] = roster.key(shown[index])
  end
  local notes = roster.trouble()
  if omitted > 0 then
    table.insert(notes, 1, ('… and %d more; press a for all'):format(omitted))
  end
  for _, note in ipairs(notes) do
    table.insert(drawn.lines, words.one_line(note))
    table.insert(drawn.marks, { line = #drawn.lines, last = -1, group = 'HeadcountHint' })
  end
  return drawn
end

--- Keeps each window's cursor on the session it was on.
---@param before table<integer, string>
---@param after table<integer, string>
local function keep_cursors(before, after)
  local line_of = {}
  for line, key in pairs(after) do
    line_of[key] = line
  end
  for _, window in ipairs(vim.fn.win_findbuf(buffer)) do
    local cursor = vim.api.nvim_win_get_cursor(window)
    local line = line_of[before[cursor[1]]]
    if line and line ~= cursor[1] then
      vim.api.nvim_win_set_cursor(window, { line, cursor[2] })
    end
  end
end

--- Draws the list anew, where there is one.
function M.render()
  if not buffer or not vim.api.nvim_buf_is_loaded(buffer) then
    return
  end
  local drawn = draw(os.time())
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, drawn.lines)
  vim.bo[buffer].modifiable = false
  vim.api.nvim_buf_clear_namespace(buffer, NAMESPACE, 0, -1)
  for _, mark in ipairs(drawn.marks) do
    local last = mark.last < 0 and #drawn.lines[mark.line]
      or math.min(mark.last, #drawn.lines[mark.line])
    local options = { end_col = last, hl_group = mark.group }
    vim.api.nvim_buf_set_extmark(buffer, NAMESPACE, mark.line - 1, 0, options)
  end
  keep_cursors(keys_by_line, drawn.keys)
  keys_by_line = drawn.keys
end

---@param key headcount.ListKey
---@return fun()
local function guarded(key)
  return function()
    if key.needs and client.state() == 'ready' and not client.can(key.needs) then
      return vim.notify(
        ('Headcount: this server has no `%s`'):format(key.needs),
        vim.log.levels.WARN
      )
    end
    key.run()
  end
end

---@return integer
local function make_buffer()
  local made = vim.fn.bufadd(NAME)
  vim.fn.bufload(made)
  vim.bo[made].filetype = 'headcount'
  for _, key in ipairs(KEYS) do
    local options =
      { buffer = made, nowait = true, silent = true, desc = 'Headcount: ' .. key.does }
    vim.keymap.set('n', key.lhs, guarded(key), options)
  end
  -- Ages grow old without an event.
  vim.api.nvim_create_autocmd({ 'BufEnter', 'FocusGained' }, { buffer = made, callback = M.render })
  return made
end

local observes = false

--- Shows the list in a window of its own, or goes to the one that shows it.
function M.open()
  for group, link in pairs(LINKS) do
    vim.api.nvim_set_hl(0, group, { link = link, default = true })
  end
  if not observes then
    observes = true
    roster.on_change(M.render)
    client.on_state(M.render)
  end
  if not buffer or not vim.api.nvim_buf_is_loaded(buffer) then
    buffer = make_buffer()
  end
  local window = vim.fn.win_findbuf(buffer)[1]
  if window then
    vim.api.nvim_set_current_win(window)
  else
    vim.cmd('botright split')
    vim.api.nvim_set_current_buf(buffer)
    vim.wo.wrap, vim.wo.cursorline = false, true
    vim.wo.number, vim.wo.relativenumber = false, false
  end
  M.render()
  local line = vim.api.nvim_win_get_cursor(0)[1]
  local first = 4
  if not keys_by_line[line] and keys_by_line[first] then
    vim.api.nvim_win_set_cursor(0, { first, 0 })
  end
end

return M
