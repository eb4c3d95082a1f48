--- The plugin against the real server on a recorded store: a session that waits for a permission.

local here = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h')
local recorded = dofile(here .. '/recorded.lua')
local h, ID, world = recorded.h, recorded.id, recorded.world
local test, eventually, equal = h.test, h.eventually, h.equal
local becomes, server, row, go_to_row =
  recorded.becomes, recorded.server, recorded.row, recorded.go_to_row

recorded.make()
vim.cmd('runtime plugin/headcount.lua')

test('the plugin registers its command and loads nothing', function()
  equal(vim.fn.exists(':Headcount'), 2)
  for name in pairs(package.loaded) do
    assert(not vim.startswith(name, 'headcount'), name .. ' is loaded')
  end
end)

local headcount = require('headcount')
local client = require('headcount.client')
local roster = require('headcount.roster')
local screen = require('headcount.screen')
local words = require('headcount.words')

test('setup starts the server once it is there to be started', function()
  headcount.setup({ cmd = { world .. '/no/such/program' } })
  equal(client.state(), 'missing')
  local err
  client.request('session.list', nil, function(e)
    err = e
  end)
  eventually('the answer', function()
    return err ~= nil
  end)
  equal(err.code, client.GONE)
  headcount.setup({ cmd = server() })
  eventually('the server', function()
    return client.state() == 'ready'
  end)
end)

test('the list shows who waits, in what state and where', function()
  vim.cmd('Headcount')
  eventually('the row', row)
  equal(h.lines()[1], '1 needs you')
  local line = row()
  assert(line:find('^▲ needs a permission  Claude Code  Mock session title'), line)
  assert(line:find('/my.repo_A b', 1, true), line)
  equal(vim.bo.filetype, 'headcount')
  equal(vim.bo.modifiable, false)
end)

test('the list changes no option of any other window', function()
  local function global(name)
    return vim.api.nvim_get_option_value(name, { scope = 'global' })
  end
  equal({ vim.wo.wrap, vim.wo.cursorline }, { false, true })
  equal({ global('wrap'), global('cursorline') }, { true, false })
end)

test('rows fit into the narrowest window that shows them', function()
  vim.cmd('vnew | wincmd p')
  -- How much room is left depends on how long an age is.
  local real_time = os.time
  rawset(os, 'time', function()
    return 1795380000 + 6 * 24 * 3600
  end)
  for width, expected in pairs({
    [72] = '^▲ needs a permission  Claude Code  Mock session title  ….*A b  6d$',
    [62] = '^▲ needs a permission  Claude Code  Mock session title  6d$',
    [47] = '^▲ needs a permission  Mock session title  6d$',
    [42] = '^▲ needs a permission  Mock session ti…  6d$',
  }) do
    vim.api.nvim_win_set_width(0, width)
    require('headcount.list').render()
    local line = h.line_with('Mock session ti')
    assert(line:find(expected), ('%d: %s'):format(width, line))
    assert(vim.fn.strdisplaywidth(line) <= width, ('%d: %s'):format(width, line))
  end
  assert(h.line_with('<CR> transcript'), 'the keys are not told')
  vim.api.nvim_win_set_width(0, 20)
  require('headcount.list').render()
  rawset(os, 'time', real_time)
  equal(h.lines()[2], ':help headcount-list')
  vim.cmd('wincmd p | close')
  require('headcount.list').render()
end)

test('text is cut by the cells that it takes', function()
  equal(screen.fit('日本語のタイトル', 8), '日本語…')
  equal(screen.fit_end('/home/dev/日本語', 8), '…/日本語')
  equal(screen.fit_end('/home/dev/api', 6), '…v/api')
  equal(screen.fit('short', 5), 'short')
end)

test('the status line says how many need somebody', function()
  equal(headcount.statusline(), '1 needs you')
end)

test('the first look is no news', function()
  equal(h.times_said('needs'), 0)
end)

test('enter opens the transcript', function()
  go_to_row()
  h.press('<CR>')
  eventually('the transcript', function()
    return h.line_with('## You')
  end)
  equal(vim.fn.bufname(), 'headcount://transcript/claude-code/' .. ID)
  equal(h.lines()[1], '# Mock session title')
  assert(h.line_with('long streaming answer please'))
  equal(vim.bo.modifiable, false)
  equal(vim.bo.modeline, false)
end)

test('everything is shown in one window, and q leads back to the list', function()
  equal(#vim.api.nvim_list_wins(), 2)
  vim.cmd('Headcount')
  equal(vim.fn.bufname(), 'headcount://sessions')
  equal(#vim.api.nvim_list_wins(), 2)
  go_to_row()
  h.press('<CR>')
  equal(vim.fn.bufname(), 'headcount://transcript/claude-code/' .. ID)
  equal(vim.wo.wrap, true)
  h.press('q')
  equal(vim.fn.bufname(), 'headcount://sessions')
  equal(vim.wo.wrap, false)
  h.press('q')
  equal(#vim.api.nvim_list_wins(), 1)
  equal(vim.wo.linebreak, false)
  vim.cmd('Headcount peek 6678')
  eventually('the page', function()
    return vim.fn.bufname() == 'headcount://transcript/claude-code/' .. ID and h.line_with('## You')
  end)
  equal(#vim.api.nvim_list_wins(), 2)
  equal(vim.wo.linebreak, true)
end)

test('a transcript opens at its end and stays there as it grows', function()
  local function is_at_the_end()
    return vim.api.nvim_win_get_cursor(0)[1] == vim.api.nvim_buf_line_count(0)
  end
  assert(is_at_the_end())
  local before = vim.api.nvim_buf_line_count(0)
  local line = vim.fn.json_encode({
    type = 'user',
    uuid = 'b7b7b7b7-0000-4000-8000-000000000001',
    sessionId = ID,
    timestamp = '2026-11-22T20:39:00.000Z',
    message = { role = 'user', content = 'And one word more.' },
  })
  vim.fn.writefile({ line }, recorded.transcript(), 'a')
  eventually('the new turn', function()
    return h.line_with('And one word more.')
  end)
  assert(vim.api.nvim_buf_line_count(0) > before)
  assert(is_at_the_end())
end)

test('edit reads a page anew', function()
  vim.bo.modifiable = true
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'gone' })
  vim.cmd('edit!')
  eventually('the transcript', function()
    return h.line_with('## You')
  end)
end)

test('e explains the status', function()
  vim.cmd('bwipeout!')
  go_to_row()
  h.press('e')
  eventually('the evidence', function()
    return h.line_with('## Evidence')
  end)
  assert(h.line_with('- Status: waiting (permission)'))
  assert(h.line_with('- Certainty: asserted: the agent itself or the system says so'))
  assert(h.line_with("- the agent's record of its live processes: "))
  vim.cmd('bwipeout!')
end)

test('a session without an id is explained by its process', function()
  require('headcount.actions').explain({ agent = 'claude-code', process = { pid = 3826 } })
  equal(vim.fn.bufname(), 'headcount://evidence/claude-code/process 3826')
  eventually('the evidence', function()
    return h.line_with('- Status: waiting (permission)')
  end)
  vim.cmd('bwipeout!')
  require('headcount.list').open()
end)

test('a session without an id is stopped by its process', function()
  require('headcount.actions').stop({ agent = 'claude-code', process = { pid = 3826 } }, true)
  eventually('the refusal', function()
    return h.times_said('process 3826 cannot be stopped: the process table is a recorded one') == 1
  end)
end)

test('Y copies the id', function()
  go_to_row()
  h.press('Y')
  equal(vim.fn.getreg('"'), ID)
end)

test('d goes to the directory, in a tab page of its own, where it is still there', function()
  go_to_row()
  h.press('d')
  equal(h.times_said('its directory is gone: /'), 1)
  local before, here = vim.fn.getcwd(), recorded.world .. "/it's %here"
  vim.fn.mkdir(here)
  require('headcount.actions').directory({ agent = 'claude-code', cwd = here })
  equal({ vim.fn.tabpagenr(), vim.fn.getcwd() }, { 2, vim.fn.resolve(here) })
  vim.cmd('tabclose')
  equal(vim.fn.getcwd(), before)
  -- Neovim expands variables in the name of a directory, however it is written.
  vim.fn.mkdir(recorded.world .. '/$HOME')
  require('headcount.actions').directory({ agent = 'claude-code', cwd = recorded.world .. '/$HOME' })
  equal({ vim.fn.tabpagenr('$'), vim.fn.getcwd() }, { 1, before })
  equal(h.times_said('E344'), 1)
end)

test('a change is shown as it happens, and the cursor stays on its session', function()
  go_to_row()
  becomes('busy', 1795379650000)
  eventually('the running row', function()
    return (row() or ''):find('● running', 1, true)
  end)
  equal(h.lines()[1], '1 running')
  equal(headcount.statusline(), '')
  local _, number = row()
  equal(vim.api.nvim_win_get_cursor(0)[1], number)
end)

test('a session that starts to wait is told once', function()
  becomes('waiting', 1795379651000)
  eventually('the message', function()
    return h.times_said('needs') > 0
  end)
  equal(h.said[1].text, 'Claude Code needs a permission in my.repo_A b: Mock session title')
  equal(h.said[1].level, vim.log.levels.WARN)
  -- The list asked for anew, and what it held before, are no news.
  local is_done = false
  roster.refresh(function()
    is_done = true
  end)
  eventually('the list', function()
    return is_done
  end)
  equal(h.times_said('needs'), 1)
end)

test('only main sessions that start to wait or fail are worth a message', function()
  local topic = require('headcount.notices').topic
  local function of(before, after, kind, is_born)
    return topic({
      is_born = is_born,
      before = before and { status = before, kind = 'main' },
      after = after and { status = after, kind = kind or 'main' },
    })
  end
  equal(of('running', 'waiting'), 'waiting')
  equal(of('running', 'failed'), 'failed')
  equal(of('waiting', 'waiting'), nil)
  equal(of('running', 'idle'), nil)
  equal(of('waiting', nil), nil)
  equal(of('running', 'waiting', 'subagent'), nil)
end)

test('what begins with a question is told, and what is merely new to us is not', function()
  local topic = require('headcount.notices').topic
  local waiting = { status = 'waiting', kind = 'main' }
  local failed = { status = 'failed', kind = 'main' }
  equal(topic({ after = waiting, is_born = true }), 'waiting')
  equal(topic({ after = waiting, is_born = false }), nil)
  equal(topic({ after = failed, is_born = true }), nil)
end)

test('what a session needs that says a word of a later server is not guessed', function()
  equal(words.need_of({ status = 'waiting', reason = 'suspended' }), 'needs to be continued')
  equal(words.need_of({ status = 'waiting', reason = 'a reason of tomorrow' }), 'needs you')
  equal(words.status({ status = 'waiting', reason = 'a reason of tomorrow' }), 'waiting for you')
  equal(
    words.status({ status = 'dreaming', reason = 'process_alive' }),
    'unknown: its process lives'
  )
end)

test('tokens fit a line', function()
  local usage = { inputTokens = 950, outputTokens = 1530000 }
  equal(words.usage(usage), '950 in · 1.5M out')
  local all =
    { cacheReadTokens = 1200, cacheWriteTokens = 33000, costUsd = 0.5, costIsEstimate = true }
  local whole = vim.tbl_extend('error', usage, all)
  equal(words.usage(whole), '950 in · 34k cached · 1.5M out · about $0.50')
end)

test('what happens at once is one message', function()
  local text = require('headcount.notices').text
  local function notice(topic)
    return { topic = topic, session = { agent = 'claude-code', title = 'A', reason = 'plan' } }
  end
  local waiting, failed = notice('waiting'), notice('failed')
  equal({ text({ waiting }) }, { 'Claude Code needs a plan approved: A', 3 })
  equal({ text({ failed }) }, { 'Claude Code failed: A', 4 })
  failed.session.cwd = '/work/a\npi'
  equal({ text({ failed }) }, { 'Claude Code failed in a pi: A', 4 })
  equal({ text({ waiting, waiting }) }, { 'Headcount: 2 need you', 3 })
  equal({ text({ waiting, failed, failed }) }, { 'Headcount: 1 needs you, 2 failed', 4 })
end)

test('a subcommand without a session asks which', function()
  h.answer.select = 'Mock session title'
  vim.cmd('Headcount explain')
  eventually('the page', function()
    return vim.fn.bufname() == 'headcount://evidence/claude-code/' .. ID
  end)
  equal(h.asked.select.prompt, 'Which session to explain?')
  assert(
    h.asked.select.lines[1]:find(
      '▲ Mock session title — Claude Code, waiting for a permission',
      1,
      true
    )
  )
  vim.cmd('bwipeout!')
end)

test('a subcommand takes the beginning of an id', function()
  vim.cmd('Headcount peek 6678')
  eventually('the page', function()
    return vim.fn.bufname() == 'headcount://transcript/claude-code/' .. ID and h.line_with('## You')
  end)
  vim.cmd('bwipeout!')
  vim.cmd('Headcount peek 9999')
  eventually('the error', function()
    return h.times_said('9999') == 1
  end)
  equal(h.said[1].level, vim.log.levels.ERROR)
end)

test('a session that lives is not resumed', function()
  vim.cmd('Headcount resume 6678')
  eventually('the warning', function()
    return h.times_said('would make two') == 1
  end)
end)

test('stopping asks first', function()
  h.answer.select = 'Cancel'
  vim.cmd('Headcount stop 6678')
  eventually('the question', function()
    return h.asked.select
  end)
  equal(h.asked.select.lines, { 'Stop', 'Cancel' })
  equal(roster.get('claude-code ' .. ID).status, 'waiting')
end)

test('what is asked says what ends: an agent, or a turn in a service', function()
  local stop = require('headcount.actions').stop
  local session = { agent = 'codex', sessionId = 'x', status = 'running', title = 'Port it' }
  stop(session)
  equal(h.asked.select.prompt, 'End the turn of Codex, whose service goes on: Port it?')
  session.process = { pid = 7 }
  stop(session)
  equal(h.asked.select.prompt, 'Stop Codex, with everything it started: Port it?')
end)

test('completion knows subcommands, agents and ids', function()
  equal(
    vim.fn.getcompletion('Headcount ', 'cmdline'),
    { 'explain', 'launch', 'peek', 'resume', 'stop' }
  )
  equal(vim.fn.getcompletion('Headcount launch cl', 'cmdline'), { 'claude-code' })
  equal(vim.fn.getcompletion('Headcount peek 66', 'cmdline'), { ID })
  equal(vim.fn.getcompletion('Headcount resume 66', 'cmdline'), {})
  equal(vim.fn.getcompletion('Headcount! st', 'cmdline'), { 'stop' })
  -- The oldest Neovim completes nothing behind a modifier; what the newest hands over is this.
  local complete = require('headcount.command').complete
  equal(complete('pe', 'tab Headcount pe', 16), { 'peek' })
  equal(complete('66', 'silent! vertical Headc peek 66', 30), { ID })
  equal(complete('pe', 'Headcount pe', 12), { 'peek' })
  equal(complete('la', "'<,'>Headcount la", 17), { 'launch' })
end)

test('an unknown subcommand is refused by name', function()
  vim.cmd('Headcount dance')
  equal(h.times_said('`dance` is none of explain, launch, peek, resume, stop'), 1)
end)

test('what the server cannot do is dark', function()
  local can = client.can
  client.can = function(method)
    return method ~= 'session.stop' and can(method)
  end
  go_to_row()
  require('headcount.list').render()
  assert(not h.line_with('s stop'), 'the hint is still there')
  h.press('s')
  equal(h.times_said('this server has no `session.stop`'), 1)
  assert(not vim.tbl_contains(vim.fn.getcompletion('Headcount ', 'cmdline'), 'stop'))
  client.can = can
  require('headcount.list').render()
  assert(h.line_with('s stop'))
end)

test('a cancelled request finishes its caller, once, and the server goes on', function()
  local answers = {}
  local function note(err, result)
    table.insert(answers, err and err.code or result)
  end
  local params = { sessionIds = { ID }, ['until'] = { 'failed' }, timeoutMs = 600000 }
  local cancel = client.request('session.wait', params, note)
  cancel()
  cancel()
  equal(answers, { client.CANCELLED })
  local err, result = client.request_sync('session.status', { sessionId = ID }, 30000)
  equal(err, nil)
  equal(result.session.sessionId, ID)
  equal(#answers, 1)
end)

test('an agent that did not come up is quoted', function()
  local data = { hint = 'read the output', output = 'usage\n\27[31mno model `x`\r\n\n' }
  equal(words.error({ message = 'no', data = data }), 'no: [31mno model `x`')
  equal(words.error({ message = 'no', data = { hint = 'do', output = '\n' } }), 'no; do')
end)

test('an error of the server has a code and a hint', function()
  local err = client.request_sync('session.status', { sessionId = ID, colour = 'red' }, 30000)
  equal(err.code, -32602)
  assert(err.message:find('colour', 1, true), err.message)
  equal(words.error({ code = 1, message = 'no', data = { hint = 'do' } }), 'no; do')
end)

test('a server that dies is started again, and goes on telling', function()
  local answer
  local params = { sessionIds = { ID }, ['until'] = { 'failed' }, timeoutMs = 600000 }
  client.request('session.wait', params, function(err)
    answer = err
  end)
  vim.fn.system({ 'pkill', '-KILL', '-P', tostring(vim.fn.getpid()), '-x', 'headcount' })
  eventually('the end of the request', function()
    return answer ~= nil
  end)
  equal(answer.code, client.GONE)
  equal(client.state(), 'starting')
  equal(client.agent_name('claude-code'), 'Claude Code')
  eventually('the new server', function()
    return client.state() == 'ready'
  end)
  becomes('busy', 1795379652000)
  eventually('the running session', function()
    return (roster.get('claude-code ' .. ID) or {}).status == 'running'
  end)
end)

test('a server that keeps ending is given up with a message, and tried again when asked', function()
  local pause = client.wait_ms.pause
  client.wait_ms.pause = 0
  headcount.setup({ cmd = { '/bin/sh', '-c', 'exit 3' } })
  eventually('the end of it', function()
    return client.state() == 'failed'
  end)
  client.wait_ms.pause = pause
  equal(h.times_said('the headcount server has ended with code 3'), 1)
  equal(h.said[1].level, vim.log.levels.ERROR)
  vim.cmd('Headcount')
  equal(h.lines()[1], 'looking …')
  headcount.setup({ cmd = server() })
  eventually('the server', function()
    return client.state() == 'ready' and row()
  end)
end)

test('checkhealth tells the program, its version, its log and what it sees', function()
  vim.cmd('checkhealth headcount')
  eventually('the report', function()
    return h.line_with('Claude Code: 1 session,')
  end)
  assert(h.line_with('program: ' .. vim.fn.exepath(h.headcount)))
  assert(h.line_with('protocol 1'))
  assert(h.line_with('log: ' .. vim.env.HEADCOUNT_STATE_DIR .. '/logs'))
  assert(h.line_with('Codex: not here'))
  assert(not h.line_with('ERROR'))
  vim.cmd('bwipeout!')
end)

test('checkhealth tells the whole path of what cannot be read', function()
  local name = '/6679' .. ID:sub(5) .. '.jsonl'
  local path = recorded.home .. '/.claude/projects/' .. ('-long'):rep(30) .. name
  vim.fn.mkdir(path, 'p') -- a directory can be read by nobody as a file
  vim.cmd('checkhealth headcount')
  eventually('the problem', function()
    return h.line_with('not a regular file (' .. path .. ')')
  end)
  vim.cmd('bwipeout!')
  vim.fn.delete(path, 'd')
end)

test('checkhealth outwaits any agent, and tells what is wrong with the settings', function()
  local ask, asked = client.request_sync, {}
  local problem = { kind = 'malformed', message = 'no setting is named `colour`' }
  client.request_sync = function(method, params, timeout_ms)
    asked[method] = { params = params, timeout_ms = timeout_ms }
    local said = { protocolVersion = 1, serverInfo = { version = '1' } }
    return nil, method == 'initialize' and said or { agents = {}, problems = { problem } }
  end
  vim.cmd('checkhealth headcount')
  client.request_sync = ask
  local list = asked['session.list']
  assert(list.params.deadlineMs < list.timeout_ms, vim.inspect(list))
  assert(h.line_with(problem.message), table.concat(h.lines(), '\n'))
  vim.cmd('bwipeout!')
end)

test('a setting that nobody knows is refused', function()
  local is_ok, trouble = pcall(headcount.setup, { colour = 'red' })
  assert(not is_ok and trouble:find('no setting is named `colour`', 1, true), trouble)
  is_ok, trouble = pcall(headcount.setup, { notify = { wating = false } })
  assert(not is_ok and trouble:find('no setting is named `notify.wating`', 1, true), trouble)
  is_ok, trouble = pcall(headcount.setup, { notify = { waiting = 'no' } })
  local why = 'the setting `notify.waiting` is a boolean, not a string'
  assert(not is_ok and trouble:find(why, 1, true), trouble)
end)

test('text from agents is shown, never obeyed', function()
  equal(words.one_line('a\n b\t\27[31mc\0'), 'a b [31mc')
  equal(words.one_line('left\226\128\174right\226\129\166\194\155'), 'leftright')
  equal(screen.clean('left\216\156right'), 'leftright')
  equal(screen.clean('\239\187\191left\226\128\139right'), 'leftright')
end)

test('text is broken where lines end', function()
  equal(screen.wrap('', 10), { '' })
  equal(screen.wrap('one two three', 7), { 'one two', 'three' })
  equal(screen.wrap('日本語のタイトル', 8), { '日本語の', 'タイトル' })
end)

test('only what a session says of itself is cut, and never an error or a path', function()
  local long = string.rep('ü', 500)
  equal(vim.fn.strchars(words.one_line(long)), 100)
  equal(screen.clean(long), long)
  equal(words.error({ message = long, data = { hint = long } }), long .. '; ' .. long)
end)

test('instants are told by the clock of this place', function()
  equal(words.clock('2026-11-22T20:22:31.081Z'), os.date('%Y-%m-%d %H:%M:%S', 1795378951))
  equal(words.clock('whenever'), 'whenever')
end)

test('ages are short', function()
  local now = 1795380000 -- 2026-11-22T20:40:00Z
  equal(words.age('2026-11-22T20:39:30.000Z', now), 'now')
  equal(words.age('2026-11-22T20:35:00.000Z', now), '5m')
  equal(words.age('2026-11-22T17:40:00.000Z', now), '3h')
  equal(words.age('2026-11-20T20:40:00.000Z', now), '2d')
  equal(words.age('2026-02-28T20:40:00.000Z', now), '38w')
  equal(words.age(nil, now), '')
end)

test('the wire types are those of the schema', function()
  local path = h.project .. '/schema/openrpc.json'
  local document = vim.fn.json_decode(vim.fn.readfile(path))
  local schemas, name = document.components.schemas, nil
  for line in io.lines(h.project .. '/editors/nvim/lua/headcount/types.lua') do
    name = line:match('^%-%-%-@%a+ headcount%.(%w+)') or name
    local field = line:match('^%-%-%-@field (%w+)')
    assert(not name or schemas[name], ('the schema has no %s'):format(name))
    assert(not field or schemas[name].properties[field], ('%s has no %s'):format(name, field))
  end
end)

test('the server ends when it is told to', function()
  client.stop()
  equal(client.state(), 'stopped')
  eventually('no server', function()
    vim.fn.system({ 'pgrep', '-P', tostring(vim.fn.getpid()), '-x', 'headcount' })
    return vim.v.shell_error == 1
  end)
end)

vim.fn.delete(world, 'rf')
h.finish()
