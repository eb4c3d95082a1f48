--- The list of sessions in a buffer, with keys for what can be done with each.

local actions = require('headcount.actions')
local buffers = require('headcount.buffer')
local client = require('headcount.client')
local columns = require('headcount.columns')
local config = require('headcount.config')
local roster = require('headcount.roster')
local screen = require('headcount.screen')
local window = require('headcount.window')
local words = require('headcount.words')

local M = {}

--- The name of its buffer.
M.NAME = 'headcount://sessions'

local NAMESPACE = vim.api.nvim_create_namespace('headcount')

---@type table<string, string> highlight groups by status; each but Idle, which does not stand out, has a link
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
  HeadcountStopped = 'Comment',
  HeadcountFailed = 'ErrorMsg',
  HeadcountUnknown = 'Comment',
  HeadcountHeading = 'Title',
  HeadcountHint = 'Comment',
  HeadcountDetail = 'Comment',
}

---@type integer|nil
local buffer = nil
---@type table<integer, string> line → key of the session on it
local keys_by_line = {}
local shows_all = false

--- The width of the narrowest window that shows the list.
---@return integer
local function narrowest()
  local width = vim.o.columns
  for _, shown_in in ipairs(vim.fn.win_findbuf(buffer)) do
    width = math.min(width, vim.api.nvim_win_get_width(shown_in))
  end
  return width
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
  if client.is_off() then
    return screen.clean(client.trouble() or '') .. '; see :checkhealth headcount'
  elseif state == 'starting' and client.trouble() then
    return screen.clean(client.trouble()) .. '; starting again …'
  elseif state == 'starting' and roster.is_known() then
    return 'starting …'
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
  { lhs = 'd', does = 'directory', run = on_row(actions.directory) },
  { lhs = 'Y', does = 'copy id', run = on_row(actions.copy_id) },
  { lhs = 'R', does = 'refresh', run = actions.refresh },
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
      vim.cmd(window.is_last() and 'bdelete' or 'close')
    end,
  },
}

--- Most lines that the keys may take of a narrow window: the sessions are what it is there for.
local MOST_HINTS = 4

--- The keys, over as many lines as they need; where those are too many, where they are told.
---@param width integer
---@return string[]
local function hints(width)
  local lines = {}
  for _, key in ipairs(KEYS) do
    if not key.needs or client.can(key.needs) then
      local part = key.lhs .. ' ' .. key.does
      local longer = #lines > 0 and lines[#lines] .. columns.GAP .. part
      if longer and #longer <= width then
        lines[#lines] = longer
      else
        table.insert(lines, part)
      end
    end
  end
  return #lines <= MOST_HINTS and lines or { screen.fit(':help headcount-list', width) }
end

---@class headcount.Drawn
---@field lines string[]
---@field groups table<integer, string> line → how it looks, where it is about no session
---@field rows table<integer, headcount.Row> line → the row on it
---@field keys table<integer, string> line → the key of the session on it

--- Draws lines that are about no session.
---@param drawn headcount.Drawn
---@param lines string[]
---@param group string
local function draw_note(drawn, lines, group)
  for _, line in ipairs(lines) do
    table.insert(drawn.lines, line)
    drawn.groups[#drawn.lines] = group
  end
end

---@param now integer
---@return headcount.Drawn
local function draw(now)
  local drawn = { lines = {}, groups = {}, rows = {}, keys = {} }
  local width = narrowest()
  draw_note(drawn, screen.wrap(heading(), width), 'HeadcountHeading')
  draw_note(drawn, hints(width), 'HeadcountHint')
  table.insert(drawn.lines, '')
  local shown, omitted = shown_of(roster.sessions())
  local rows = vim.tbl_map(function(session)
    return columns.row(session, now)
  end, shown)
  columns.draw(rows, width)
  for index, row in ipairs(rows) do
    table.insert(drawn.lines, row.line)
    drawn.rows[#drawn.lines] = row
    drawn.keys[#drawn.lines] = roster.key(shown[index])
  end
  local notes = roster.trouble()
  if omitted > 0 then
    table.insert(notes, 1, ('… and %d more; press a for all'):format(omitted))
  end
  for _, note in ipairs(notes) do
    draw_note(drawn, screen.wrap(screen.clean(note), width), 'HeadcountHint')
  end
  return drawn
end

---@param number integer
---@param span integer[] the first byte, and the one behind the last
---@param group string
local function mark(number, span, group)
  local options = { end_col = span[2], hl_group = group }
  vim.api.nvim_buf_set_extmark(buffer, NAMESPACE, number - 1, span[1], options)
end

--- Gives a line its colours. A session's title stands out, what else is known of it does not.
---@param drawn headcount.Drawn
---@param number integer
local function highlight(drawn, number)
  local row, group = drawn.rows[number], drawn.groups[number]
  if group then
    mark(number, { 0, #drawn.lines[number] }, group)
  end
  for column, span in pairs(row and row.spans or {}) do
    if column == columns.STATE then
      mark(number, span, HIGHLIGHT[row.status] or 'HeadcountUnknown')
    elseif column ~= columns.TITLE then
      mark(number, span, 'HeadcountDetail')
    end
  end
end

--- The session that the cursor of each window is on.
---@param keys table<integer, string>
---@return table<integer, string> window → key
local function under_cursors(keys)
  local under = {}
  for _, shown_in in ipairs(vim.fn.win_findbuf(buffer)) do
    under[shown_in] = keys[vim.api.nvim_win_get_cursor(shown_in)[1]]
  end
  return under
end

--- Moves each cursor to where its session is now.
---@param under table<integer, string>
local function keep_cursors(under)
  local line_of = {}
  for line, key in pairs(keys_by_line) do
    line_of[key] = line
  end
  for shown_in, key in pairs(under) do
    local cursor = vim.api.nvim_win_get_cursor(shown_in)
    local line = line_of[key]
    if line and line ~= cursor[1] then
      vim.api.nvim_win_set_cursor(shown_in, { line, cursor[2] })
    end
  end
end

--- Draws the list anew, where there is one.
function M.render()
  if not buffer or not vim.api.nvim_buf_is_loaded(buffer) then
    return
  end
  local drawn, under = draw(os.time()), under_cursors(keys_by_line)
  for _, run in ipairs(buffers.put(buffer, drawn.lines, NAMESPACE)) do
    for number = run[1], run[2] do
      highlight(drawn, number)
    end
  end
  keys_by_line = drawn.keys
  keep_cursors(under)
end

--- The same where somebody sees it: a list that is hidden is drawn when it is shown.
local function render_shown()
  if buffer and #vim.fn.win_findbuf(buffer) > 0 then
    M.render()
  end
end

--- The line of the first session, or nil.
---@return integer|nil
local function first_row()
  local first = nil
  for line in pairs(keys_by_line) do
    first = math.min(first or line, line)
  end
  return first
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

local observes = false

--- How the list is shown; for this buffer in its window, and nowhere else.
local function set_window_options()
  local here = vim.opt_local
  here.wrap, here.cursorline, here.list, here.spell = false, true, false, false
  here.number, here.relativenumber, here.signcolumn, here.foldcolumn = false, false, 'no', '0'
  here.colorcolumn = ''
  if vim.fn.exists('&statuscolumn') == 1 then -- since 0.9
    here.statuscolumn = ''
  end
end

--- Makes a buffer the list: called when it is read, which `:edit` and a restored session do as well.
---@param loaded integer
function M.load(loaded)
  buffer = loaded
  for group, link in pairs(LINKS) do
    vim.api.nvim_set_hl(0, group, { link = link, default = true })
  end
  if not observes then
    observes = true
    roster.on_change(render_shown)
    client.on_state(render_shown)
  end
  buffers.prepare(loaded, 'headcount')
  for _, key in ipairs(KEYS) do
    local options =
      { buffer = loaded, nowait = true, silent = true, desc = 'Headcount: ' .. key.does }
    vim.keymap.set('n', key.lhs, guarded(key), options)
  end
  local group = vim.api.nvim_create_augroup('headcount.list', {})
  -- Ages grow old, and windows narrow, without an event of ours.
  local events = { 'BufEnter', 'FocusGained' }
  vim.api.nvim_create_autocmd(events, { group = group, buffer = loaded, callback = M.render })
  local resized = vim.fn.has('nvim-0.9') == 1 and 'WinResized' or 'VimResized'
  vim.api.nvim_create_autocmd(resized, { group = group, callback = render_shown })
  vim.api.nvim_create_autocmd('BufWinEnter', {
    group = group,
    buffer = loaded,
    callback = function()
      set_window_options()
      M.render()
    end,
  })
  M.render()
end

--- Shows the list, in a window of its own or the one that shows it or a page.
function M.open()
  local list = vim.fn.bufadd(M.NAME)
  vim.fn.bufload(list)
  window.show(list)
  set_window_options()
  M.render()
  local line = vim.api.nvim_win_get_cursor(0)[1]
  local first = first_row()
  if not keys_by_line[line] and first then
    vim.api.nvim_win_set_cursor(0, { first, 0 })
  end
end

return M
