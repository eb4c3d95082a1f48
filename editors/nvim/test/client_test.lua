--- Servers that are missing, silent or none of ours: stand-ins of a line of shell each.

local here = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h')
local recorded = dofile(here .. '/recorded.lua')
local h = recorded.h
local test, eventually, equal = h.test, h.eventually, h.equal

recorded.make()
vim.cmd('runtime plugin/headcount.lua')

local headcount = require('headcount')
local client = require('headcount.client')
local roster = require('headcount.roster')
local hello = require('headcount.hello')

local DAY_MS = 24 * 60 * 60 * 1000

--- A server that answers the hello like this, and then is silent.
local function answering(answer)
  local body = vim.fn.json_encode(vim.tbl_extend('error', { jsonrpc = '2.0', id = 1 }, answer))
  local frame = ('Content-Length: %d\r\n\r\n%s'):format(#body, body)
  return { '/bin/sh', '-c', 'printf %s "$1"; exec sleep 1000', 'sh', frame }
end

local function silent(text)
  return { '/bin/sh', '-c', 'printf "$1"; exec sleep 1000', 'sh', text or '' }
end

--- Starts a server that is of no use, and tells what became of it.
local function trouble_with(cmd)
  client.wait_ms.pause = DAY_MS
  headcount.setup({ cmd = cmd })
  eventually('the verdict', client.trouble)
  client.wait_ms.pause = 0
  return client.trouble()
end

local function start_real()
  headcount.setup({ cmd = recorded.server() })
  eventually('the sessions', roster.is_known)
end

test('a server that says no hello is not waited for', function()
  client.wait_ms.hello = 0
  equal(trouble_with(silent()), 'no hello from the headcount server within 0 s')
  vim.cmd('Headcount')
  equal(h.lines()[1], 'no hello from the headcount server within 0 s; starting again …')
  client.wait_ms.hello = 10000
end)

test('a server that never says hello is given up, and whoever waits for it is told', function()
  client.wait_ms.hello, client.wait_ms.pause = 0, 0
  headcount.setup({ cmd = silent() })
  local err
  client.request('session.list', nil, function(e)
    err = e
  end)
  eventually('the end of it', function()
    return client.state() == 'failed'
  end)
  equal(err, { code = client.GONE, message = 'no hello from the headcount server within 0 s' })
  vim.cmd('Headcount')
  client.wait_ms.hello = 10000
end)

test('pauses double, and after five ends it is given up', function()
  local restarts = require('headcount.restarts')
  restarts.forget()
  for end_, pause in ipairs({ 1000, 2000, 4000, 8000 }) do
    equal(restarts.pause_after(end_ * 1000, 1000), pause)
  end
  equal(restarts.pause_after(5000, 1000), nil)
  equal(restarts.pause_after(10 * 60 * 1000, 1000), 1000)
  restarts.forget()
end)

test('a server that has not said hello is ended at once when Neovim leaves', function()
  local function has_child()
    vim.fn.system({ 'pgrep', '-P', tostring(vim.fn.getpid()), '-x', 'sleep' })
    return vim.v.shell_error == 0
  end
  headcount.setup({ cmd = silent() })
  eventually('the server', has_child)
  local later = vim.defer_fn
  vim.defer_fn = function() end -- nothing happens later
  client.stop()
  vim.defer_fn = later
  eventually('no server', function()
    return not has_child()
  end)
end)

test('checkhealth says why a server does not come up', function()
  local told = trouble_with({ '/bin/sh', '-c', 'exit 3' })
  equal(told, 'the headcount server has ended with code 3')
  local health = require('headcount.health')
  local patience = health.patience_ms
  health.patience_ms = 0
  vim.cmd('checkhealth headcount')
  health.patience_ms = patience
  assert(h.line_with(told), table.concat(h.lines(), '\n'))
  vim.cmd('bwipeout!')
end)

test('a refused hello is said', function()
  local refusal = { error = { code = -32601, message = 'no such method' } }
  local told = trouble_with(answering(refusal))
  equal(told, 'the headcount server says no hello: no such method')
end)

test('a server of another kind is none of ours', function()
  local told = trouble_with(answering({ result = { capabilities = vim.empty_dict() } }))
  equal(told, '`/bin/sh` is no headcount server')
end)

test('a hello is read whatever its shape', function()
  local said = { version = '1', methods = { 'session.list' }, agents = {} }
  local function answer(headcount_says)
    return {
      serverInfo = { version = '1' },
      capabilities = { experimental = { headcount = headcount_says } },
    }
  end
  equal(
    hello.abilities(answer(said)),
    { version = '1', methods = { ['session.list'] = true }, agents = {} }
  )
  for _, other in ipairs({ vim.NIL, 'text', {}, { methods = {}, agents = vim.NIL } }) do
    equal(hello.abilities(answer(other)), nil)
    equal(hello.abilities(other), nil)
  end
end)

test('a program that does not speak our protocol is ended', function()
  local told = trouble_with(silent('Content-Length: 5\\r\\n\\r\\nhello'))
  equal(told, '`/bin/sh` does not speak as a headcount server')
end)

test('whoever waits for an answer is told that there is none', function()
  headcount.setup({ cmd = silent() })
  local err = client.request_sync('session.list', nil, 0)
  equal(err, { code = client.SILENT, message = 'no answer within 0 s' })
end)

test('a server that hangs is ended, and whoever looks something up is told once', function()
  local methods = { 'session.list', 'session.status' }
  local said = { headcount = { methods = methods, agents = {} } }
  local server = { version = '1' }
  local hello_of = { serverInfo = server, capabilities = { experimental = said } }
  client.wait_ms.pause = DAY_MS
  headcount.setup({ cmd = answering({ result = hello_of }) })
  eventually('its hello', function()
    return client.state() == 'ready'
  end)
  client.wait_ms.look, client.wait_ms.hello = 0, 0
  local answers = {}
  client.look('session.status', { sessionId = recorded.id }, function(err)
    table.insert(answers, err)
  end)
  eventually('its end', function()
    return client.state() == 'starting'
  end)
  client.wait_ms.look, client.wait_ms.hello, client.wait_ms.pause = 10000, 10000, 0
  equal(answers, { { code = client.GONE, message = 'the headcount server does not answer' } })
  vim.cmd('Headcount')
  equal(h.lines()[1], 'the headcount server does not answer; starting again …')
end)

test('a server that is slow is waited for', function()
  start_real()
  client.wait_ms.look = 0
  local slow = { sessionIds = { recorded.id }, ['until'] = { 'failed' }, timeoutMs = 100 }
  local answer
  client.look('session.wait', slow, function(err, result)
    answer = err or result
  end)
  eventually('the answer', function()
    return answer
  end)
  client.wait_ms.look = 10000
  equal({ answer.timedOut, client.state() }, { true, 'ready' })
end)

test('without a server nothing is known, and that is told', function()
  start_real()
  vim.cmd('Headcount')
  eventually('the row', recorded.row)
  local changes = 0
  local watching = vim.api.nvim_create_autocmd('User', {
    pattern = 'HeadcountChanged',
    callback = function()
      changes = changes + 1
    end,
  })
  headcount.setup({ cmd = { recorded.world .. '/no/such/program' } })
  equal(client.state(), 'missing')
  equal({ headcount.sessions(), headcount.statusline() }, { {}, 'headcount is off' })
  equal(roster.get('claude-code ' .. recorded.id), nil)
  assert(vim.startswith(h.lines()[1], 'no program `' .. recorded.world), h.lines()[1])
  vim.cmd('Headcount')
  equal(h.times_said('no program'), 1)
  equal(recorded.row(), nil)
  assert(changes > 0, 'nobody was told')
  vim.api.nvim_del_autocmd(watching)
end)

test('what cannot be read is said from the start', function()
  local name = '/.claude/projects/-gone/6679' .. recorded.id:sub(5) .. '.jsonl'
  vim.fn.mkdir(recorded.home .. name, 'p') -- a directory can be read by nobody as a file
  start_real()
  vim.cmd('Headcount')
  eventually('the trouble', function()
    return h.line_with('Claude Code: 1 problem; see :checkhealth headcount')
  end)
  vim.fn.delete(recorded.home .. name, 'd')
end)

test('old sessions that come into view are no news', function()
  local away = recorded.world .. '/away'
  assert(vim.loop.fs_rename(recorded.home .. '/.claude', away))
  vim.fn.mkdir(recorded.home .. '/.claude/projects', 'p')
  local is_watching = false
  client.on('session.changed', function()
    is_watching = true
  end)
  start_real()
  eventually('the first push', function()
    return is_watching
  end)
  equal(headcount.sessions(), {})
  -- Each in one go, and first what says that it waits: it never looks as if it had just begun to.
  for _, name in ipairs({ 'sessions', 'projects' }) do
    local store = recorded.home .. '/.claude/' .. name
    assert(vim.loop.fs_rename(away .. '/' .. name, store))
  end
  eventually('the session that waits', function()
    return headcount.statusline() == '1 needs you'
  end)
  equal(h.said, {})
end)

client.stop()
vim.fn.delete(recorded.world, 'rf')
h.finish()
