--- The list and the pages as buffers and windows: what a redraw leaves alone, and where there is no room.

local here = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h')
local recorded = dofile(here .. '/recorded.lua')
local h = recorded.h
local test, eventually, equal = h.test, h.eventually, h.equal

recorded.make()
vim.cmd('runtime plugin/headcount.lua')

local client = require('headcount.client')
local list = require('headcount.list')
local roster = require('headcount.roster')

local FAILURE = { code = 1, message = 'the store is gone' }

--- Runs this while nothing that is looked up is found.
local function while_failing(run)
  local look = client.look
  client.look = function(_, _, callback)
    callback(FAILURE)
  end
  run()
  client.look = look
end

local function open_transcript()
  recorded.go_to_row()
  h.press('<CR>')
  eventually('the transcript', function()
    return h.line_with('## You')
  end)
end

require('headcount').setup({ cmd = recorded.server() })
eventually('the sessions', roster.is_known)

test('a list that is edited by its name has its rows and keys', function()
  vim.cmd('edit headcount://sessions')
  eventually('the row', recorded.row)
  equal(vim.bo.filetype, 'headcount')
  equal(vim.wo.cursorline, true)
  vim.cmd('edit')
  assert(recorded.row(), 'the row is gone')
  assert(vim.fn.maparg('q', 'n') ~= '', 'the keys are gone')
end)

test('a restored session has its list', function()
  local session = recorded.world .. '/session.vim'
  vim.cmd('mksession! ' .. vim.fn.fnameescape(session))
  vim.cmd('silent %bwipeout!')
  vim.cmd('silent source ' .. vim.fn.fnameescape(session))
  equal(vim.fn.bufname(), 'headcount://sessions')
  assert(recorded.row(), 'the row is gone')
  equal(vim.bo.filetype, 'headcount')
  assert(vim.fn.maparg('q', 'n') ~= '', 'the keys are gone')
end)

test('a list that nobody sees is drawn when it is shown', function()
  local shown = vim.fn.bufnr('headcount://sessions')
  vim.cmd('enew')
  local tick = vim.api.nvim_buf_get_changedtick(shown)
  recorded.becomes('busy', 1795379645000)
  eventually('it works', function()
    return roster.count('running') == 1
  end)
  equal(vim.api.nvim_buf_get_changedtick(shown), tick)
  vim.cmd('buffer ' .. shown)
  assert(recorded.row():find('^● running'), recorded.row())
  recorded.becomes('waiting', 1795379646000)
  eventually('it waits', function()
    return recorded.row():find('^▲ needs a permission') ~= nil
  end)
end)

test('redraws fill no undo history, and touch nothing where nothing changed', function()
  local tick = vim.api.nvim_buf_get_changedtick(0)
  list.render()
  equal(vim.api.nvim_buf_get_changedtick(0), tick)
  recorded.becomes('busy', 1795379650000)
  eventually('the running row', function()
    return (recorded.row() or ''):find('● running', 1, true)
  end)
  equal(vim.fn.undotree().entries, {})
  recorded.becomes('waiting', 1795379651000)
  eventually('the waiting row', function()
    return (recorded.row() or ''):find('▲ needs', 1, true)
  end)
end)

test('what is said of the columns of code is not said of the list', function()
  vim.cmd('bwipeout!')
  vim.wo.colorcolumn = '80'
  if vim.fn.exists('&statuscolumn') == 1 then
    vim.wo.statuscolumn = '%l '
  end
  vim.cmd('Headcount')
  equal(vim.wo.colorcolumn, '')
  equal(vim.fn.exists('&statuscolumn') == 1 and vim.wo.statuscolumn or '', '')
  vim.cmd('bwipeout!')
  vim.cmd('enew | set colorcolumn& | Headcount')
end)

test('what could not be read can be read whole, however narrow the window', function()
  vim.cmd('vnew | wincmd p')
  vim.api.nvim_win_set_width(0, 40)
  local trouble = roster.trouble
  roster.trouble = function()
    return {
      'the store of this agent is at /a/path/that/is/longer/than/the/window/is/wide, and gone',
    }
  end
  list.render()
  roster.trouble = trouble
  local lines = h.lines()
  equal({ unpack(lines, #lines - 2) }, {
    'the store of this agent is at',
    '/a/path/that/is/longer/than/the/window/i',
    's/wide, and gone',
  })
  vim.cmd('wincmd p | close')
  list.render()
end)

test('all keys can be read, however narrow the window', function()
  vim.cmd('vnew | wincmd p')
  for _, width in ipairs({ 78, 60, 40 }) do
    vim.api.nvim_win_set_width(0, width)
    list.render()
    local hint = table.concat(h.lines(), '  ')
    for _, key in ipairs({ '<CR> transcript', 'o launch', 'R refresh', 'a all', 'q close' }) do
      assert(hint:find(key, 1, true), ('%d: %s in %s'):format(width, key, hint))
    end
    -- The keys end with the first empty line.
    for number, line in ipairs(h.lines()) do
      if line == '' then
        break
      end
      assert(vim.fn.strdisplaywidth(line) <= width, ('%d: line %d'):format(width, number))
    end
  end
  vim.cmd('wincmd p | close')
end)

test('an idle session has the colours of the line that it is on', function()
  local group = vim.fn.hlID('HeadcountIdle')
  equal(vim.fn.synIDtrans(group), group)
  equal(vim.fn.synIDtrans(vim.fn.hlID('HeadcountWaiting')), vim.fn.hlID('WarningMsg'))
end)

test('q closes the last window that does not float', function()
  vim.cmd('only')
  local float = { relative = 'editor', row = 1, col = 1, width = 10, height = 1 }
  local window = vim.api.nvim_open_win(vim.api.nvim_create_buf(false, true), false, float)
  vim.v.errmsg = ''
  h.press('q')
  equal(vim.v.errmsg, '')
  equal(vim.fn.bufname(), '')
  vim.api.nvim_win_close(window, true)
end)

test('where there is no room for a window the current one is taken', function()
  local lines = vim.o.lines
  vim.o.lines = 8
  for _ = 1, 4 do
    pcall(vim.cmd, 'split')
  end
  vim.cmd('Headcount')
  equal(vim.fn.bufname(), 'headcount://sessions')
  equal(h.times_said('shown in this window: E36: Not enough room'), 1)
  vim.cmd('only | enew')
  vim.o.lines = lines
end)

test('a transcript that cannot be read is not said to be empty', function()
  local session = roster.get('claude-code ' .. recorded.id)
  local function last_line(problems)
    local peek = { turns = {}, earlier = false, problems = problems }
    local lines = require('headcount.pages').transcript(session, peek)
    return lines[#lines - 1]
  end
  equal(last_line(), '[Nothing was said yet.]')
  local problems = { { kind = 'unreadable', message = 'permission denied' } }
  equal(last_line(problems), '[The turns cannot be shown: permission denied]')
end)

test('a page that follows its session keeps its filetype, and follows a status too', function()
  open_transcript()
  local fired = 0
  local counting = vim.api.nvim_create_autocmd('FileType', {
    callback = function()
      fired = fired + 1
    end,
  })
  assert(h.line_with('waiting for a permission'))
  recorded.becomes('busy', 1795379651000)
  eventually('the new status', function()
    return h.line_with(' · running · ')
  end)
  equal(fired, 0)
  equal(vim.bo.filetype, 'markdown')
  equal(vim.fn.undotree().entries, {})
  vim.api.nvim_del_autocmd(counting)
end)

test('what is told of a shown page in one go is read once', function()
  local session = vim.deepcopy(roster.get('claude-code ' .. recorded.id))
  local look, readings = client.look, 0
  client.look = function(method, _, callback)
    if method == 'session.list' then
      session = vim.tbl_extend('force', session, { updatedAt = session.updatedAt .. '0' })
      return callback(nil, { observedAt = '2126', sessions = { session }, agents = {} })
    end
    readings = readings + 1
  end
  for _ = 1, 10 do
    roster.refresh()
  end
  local at_once = readings
  assert(at_once <= 1, at_once)
  eventually('the last reading', function()
    return readings > at_once
  end)
  client.look = look
  roster.refresh()
end)

test('a transcript that cannot be read anew stays', function()
  local before = h.lines()
  while_failing(function()
    vim.cmd('edit')
  end)
  equal(h.lines(), before)
  equal(h.times_said('Headcount: the store is gone'), 1)
  vim.cmd('bwipeout!')
end)

test('a page that could never be read says why', function()
  while_failing(function()
    vim.cmd('edit headcount://transcript/claude-code/gone')
  end)
  equal(h.lines(), { '[the store is gone]' })
  equal(h.said, {})
  vim.cmd('bwipeout!')
end)

test('a new page says that it looks', function()
  local look = client.look
  client.look = function() end
  vim.cmd('edit headcount://transcript/claude-code/slow')
  equal(h.lines(), { '[Looking …]' })
  client.look = look
  vim.cmd('bwipeout!')
end)

--- Takes a list that tells this.
local function refresh_with(told)
  local look = client.look
  client.look = function(_, _, callback)
    callback(nil, vim.tbl_extend('keep', told, { sessions = {}, agents = {} }))
  end
  roster.refresh()
  client.look = look
end

test('a list undoes nothing that was pushed meanwhile', function()
  local key = 'claude-code ' .. recorded.id
  local before = vim.deepcopy(roster.get(key))
  local other = vim.tbl_extend('force', before, { sessionId = 'other', process = nil })
  local look, answer = client.look, nil
  client.look = function(_, _, callback)
    answer = callback
  end
  roster.refresh()
  client.look = look
  local status = before.status == 'running' and 'waiting' or 'running'
  -- An earlier test's change may still be under way, and a list may tell this one, too: it is known by its time.
  local now, is_pushed = os.time(), false
  client.on('session.changed', function(params)
    for _, change in ipairs(params.result.changes) do
      local at = change.session.updatedAt or ''
      is_pushed = is_pushed or vim.startswith(at, os.date('!%Y-%m-%dT%H:%M:%S', now))
    end
  end)
  recorded.becomes(status == 'running' and 'busy' or 'waiting', now * 1000)
  eventually('the push', function()
    return is_pushed
  end)
  local observed_at = '2026-01-01T00:00:00.000Z'
  answer(nil, { observedAt = observed_at, sessions = { before, other }, agents = {} })
  equal(roster.get(key).status, status)
  assert(roster.get('claude-code other'), 'what the list alone knows is gone')
end)

test('an agent that one list missed keeps its rows, and is named until a push comes', function()
  local late = { agent = 'claude-code', outcome = 'timed_out', problems = {} }
  refresh_with({ observedAt = '2126-01-01T00:00:00.000Z', agents = { late } })
  assert(roster.get('claude-code ' .. recorded.id), 'the session is gone')
  equal(#roster.trouble(), 1)
  assert(roster.trouble()[1]:find('could not be looked at', 1, true), roster.trouble()[1])
  recorded.becomes('busy', os.time() * 1000)
  eventually('that it holds no more', function()
    return #roster.trouble() == 0
  end)
end)

test('what a list could not see is told, once', function()
  local blind = { kind = 'unreadable', message = 'the settings cannot be read' }
  for _ = 1, 2 do
    refresh_with({ observedAt = '2026-01-01T00:00:00.000Z', problems = { blind } })
  end
  equal(roster.trouble(), { blind.message })
end)

--- The lines of this buffer that are written anew while this runs.
local function written_while(run)
  local numbers, buffer = {}, vim.api.nvim_get_current_buf()
  local is_over = false
  vim.api.nvim_buf_attach(buffer, false, {
    on_lines = function(_, _, _, first, _, last)
      for number = first + 1, is_over and first or last do
        table.insert(numbers, number)
      end
      return is_over
    end,
  })
  run()
  is_over = true
  return numbers
end

--- What the parts of a line are coloured with, from left to right; of all lines where no last one is told.
local function colours(first, last)
  local namespace = vim.api.nvim_get_namespaces().headcount
  local from, to = { first - 1, 0 }, last and { last - 1, -1 } or -1
  local marks = vim.api.nvim_buf_get_extmarks(0, namespace, from, to, { details = true })
  return vim.tbl_map(function(mark)
    return mark[4].hl_group
  end, marks)
end

test('of thousands of rows those are written that change, and nobody is moved', function()
  local rows = {}
  for at = 1, 5000 do
    rows[at] = {
      agent = 'claude-code',
      sessionId = ('%08d'):format(at),
      kind = 'main',
      status = at == 1 and 'waiting' or 'idle',
      reason = '',
      title = ('Title %08d'):format(at),
      updatedAt = ('2026-01-01T00:00:00.%04dZ'):format(9999 - at),
    }
  end
  local function changes_to(at, fields)
    return written_while(function()
      rows[at] = vim.tbl_extend('force', rows[at], fields)
      refresh_with({ observedAt = '2126', sessions = rows })
    end)
  end
  refresh_with({ observedAt = '2126', sessions = rows })
  vim.cmd('only | Headcount')
  local _, number = h.line_with('Title 00002500')
  vim.api.nvim_win_set_cursor(0, { number, 0 })
  vim.cmd('normal! zt')
  local function where()
    return { vim.fn.line('.'), vim.fn.line('w0') }
  end
  equal(where(), { number, number })

  local written = changes_to(2400, { title = 'Other 00002400' })
  local _, other = h.line_with('Other 00002400')
  equal({ #written, written[1] }, { 1, other })
  equal(colours(other, other), { 'HeadcountIdle', 'HeadcountDetail', 'HeadcountDetail' })

  -- To the top, where it waits: it is written there, and the heading counts it.
  written = changes_to(2400, { status = 'waiting' })
  _, other = h.line_with('Other 00002400')
  table.sort(written)
  equal({ #written, written[1], written[2] }, { 2, 1, other })
  equal(colours(other, other), { 'HeadcountWaiting', 'HeadcountDetail', 'HeadcountDetail' })
  equal(colours(number, number), { 'HeadcountIdle', 'HeadcountDetail', 'HeadcountDetail' })
  equal(where(), { number, number })

  -- From above the cursor to below it: the cursor stays with its session, and so does what is seen.
  changes_to(2400, { status = 'stopped' })
  equal(where(), { number - 1, number - 1 })
  changes_to(2500, { status = 'waiting' })
  assert(vim.api.nvim_get_current_line():find('Title 00002500'), 'the cursor has lost its session')
  -- No line keeps the colours of one that is gone.
  local _, first = h.line_with('Title 00000001')
  equal(#colours(1), #colours(1, first - 1) + 5000 * 3)
  refresh_with({ observedAt = '2126' })
end)

test('a list is asked for before changes are', function()
  local look, request, asked = client.look, client.request, {}
  client.look = function(method, params, callback)
    table.insert(asked, { method, params.limit })
    callback(nil, { observedAt = '2126', sessions = {}, agents = {} })
  end
  client.request = function(method)
    table.insert(asked, { method })
  end
  roster.resume()
  client.look, client.request = look, request
  equal(asked, { { 'session.list', 200 }, { 'session.watch' } })
end)

test('a first page takes no rows away', function()
  local function session(id)
    return { agent = 'pi', sessionId = id, kind = 'main', status = 'idle', reason = 'turn_ended' }
  end
  refresh_with({ observedAt = '2126', sessions = { session('a'), session('b') } })
  refresh_with({ observedAt = '2126', sessions = { session('a') }, nextCursor = 'more' })
  assert(roster.get('pi b'), 'a row is gone')
  refresh_with({ observedAt = '2126', sessions = { session('a') } })
  equal(roster.get('pi b'), nil)
end)

test('as many need you as every client says', function()
  local cases = vim.fn.json_decode(vim.fn.readfile(h.project .. '/tests/fixtures/needs-you.json'))
  local look = client.look
  for _, case in ipairs(cases) do
    client.look = function(_, _, callback)
      for _, session in ipairs(case.sessions) do
        session.agent = 'claude-code'
      end
      callback(nil, { sessions = case.sessions, agents = {}, observedAt = '9' })
    end
    roster.refresh()
    equal({ case.name, roster.count('waiting') }, { case.name, case.needYou })
  end
  client.look = look
  roster.refresh()
end)

test('titles, ages and the order are those that every client shows', function()
  local words = require('headcount.words')
  local shown = vim.fn.json_decode(vim.fn.readfile(h.project .. '/tests/fixtures/shown.json'))
  for _, case in ipairs(shown.titles) do
    equal(words.title(case.session), case.shown)
  end
  for _, case in ipairs(shown.ages) do
    equal(words.age('2026-11-22T20:40:00.000Z', 1795380000 + case.seconds), case.shown)
  end
  local function ids(sessions)
    return vim.tbl_map(function(session)
      return session.sessionId
    end, sessions)
  end
  local told = {}
  for _, session in ipairs(shown.order) do
    table.insert(told, 1, vim.tbl_extend('error', { agent = 'pi', kind = 'main' }, session))
  end
  refresh_with({ observedAt = '2126', sessions = told })
  equal(ids(roster.sessions()), ids(shown.order))
end)

client.stop()
vim.fn.delete(recorded.world, 'rf')
h.finish()
