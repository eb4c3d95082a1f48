-- The conversation from Neovim's own vim.lsp.rpc.

-- It keeps -32800 to itself and forgets the callback: its log is the witness that the answer came.
vim.lsp.set_log_level('debug')

local env = vim.env
local events, exit_code = {}, nil
local dispatchers = {
  notification = function(method, params)
    table.insert(events, { method = method, params = params })
  end,
  on_exit = function(code)
    exit_code = code
  end,
}

local arguments = { '--home', env.WORLD .. '/home', '--proc', env.WORLD .. '/proc', 'serve' }
local rpc
if vim.fn.has('nvim-0.10') == 1 then
  rpc = vim.lsp.rpc.start(vim.list_extend({ env.HEADCOUNT }, arguments), dispatchers)
else
  rpc = vim.lsp.rpc.start(env.HEADCOUNT, arguments, dispatchers)
end

local function eventually(what, condition)
  assert(vim.wait(60000, condition, 5), 'never: ' .. what)
end

local function ask(method, params)
  local answer
  rpc.request(method, params or {}, function(err, result)
    answer = { err = err, result = result }
  end)
  eventually('answer to ' .. method, function()
    return answer
  end)
  return answer.result, answer.err
end

local function log_holds(text)
  return table.concat(vim.fn.readfile(vim.lsp.get_log_path()), '\n'):find(text, 1, true)
end

local function is_added()
  for _, event in ipairs(events) do
    local result = event.method == 'session.changed' and event.params.result or { seq = 1 }
    for _, change in ipairs(result.seq > 1 and result.changes or {}) do
      if change.kind == 'added' and change.session.sessionId == env.SESSION then
        return true
      end
    end
  end
  return false
end

local function converse()
  local hello = ask('initialize', { processId = vim.fn.getpid() })
  assert(hello.serverInfo.name == 'headcount')
  assert(vim.tbl_contains(hello.capabilities.experimental.headcount.methods, 'session.list'))
  rpc.notify('initialized', {})

  local sessions = ask('session.list').sessions
  assert(#sessions > 0)
  local _, invalid = ask('session.list', { colour = 'red' })
  assert(invalid.code == -32602, vim.inspect(invalid))
  local _, unknown = ask('session.dance')
  assert(unknown.code == -32601, vim.inspect(unknown))

  local wait = { filter = { agents = { 'codex' } }, ['until'] = { 'waiting' }, timeoutMs = 600000 }
  local _, id = rpc.request('session.wait', wait, function()
    error('a cancelled request was answered')
  end)
  rpc.notify('$/cancelRequest', { id = id })
  eventually('the cancelled answer', function()
    return log_holds('ancellation ack') and log_holds('-32800')
  end)

  local subscription = ask('session.watch')
  eventually('the snapshot', function()
    return #events > 0
  end)
  assert(vim.loop.fs_copyfile(env.WORLD .. '/arriving.jsonl', env.TARGET))
  eventually('the added session', is_added)
  -- Neovim 0.7 writes numbers with 14 digits: an id with more names no subscription of the server's.
  local is_exact = vim.json.decode(vim.json.encode({ subscription }))[1] == subscription
  assert((ask('session.unwatch', { subscription = subscription }) == true) == is_exact)

  local nothing, err = ask('shutdown')
  assert(nothing == nil and err == nil)
  rpc.notify('exit', {})
  eventually('the end', function()
    return exit_code
  end)
  assert(exit_code == 0, exit_code)
end

local is_ok, trouble = xpcall(converse, debug.traceback)
if not is_ok then
  io.stderr:write(trouble .. '\n')
end
vim.cmd(is_ok and 'qall!' or 'cquit!')
