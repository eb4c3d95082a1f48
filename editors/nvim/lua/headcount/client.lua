--- One server process: started when it is first asked, spoken to, and started again when it ends.
---
--- `vim.lsp.rpc` carries the messages and not `vim.lsp`: a list of sessions is no language server.

local config = require('headcount.config')
local hello = require('headcount.hello')
local restarts = require('headcount.restarts')

local M = {}

---@alias headcount.State 'stopped'|'starting'|'ready'|'missing'|'failed'
---@alias headcount.Callback fun(err: headcount.Error|nil, result: any)

---@class headcount.Error
---@field code integer
---@field message string
---@field data table|nil `{kind, hint?, retryable}` for the server's own errors

--- What LSP calls a cancelled request; Neovim keeps the server's own answer to itself.
M.CANCELLED = -32800
--- The server is not there; never on the wire.
M.GONE = -32000
--- The server has not answered in the time that there was; never on the wire.
M.SILENT = -32001

--- How long is waited; settable, so that a test need not wait so long.
M.wait_ms = {
  --- For the hello: a program that says none is none of ours, or hangs.
  hello = 10000,
  --- For an answer that is looked up, until the server has to show that it lives: twice the deadline that it sets itself.
  look = 10000,
  --- Before a server that ended is started again; twice as long each further time.
  pause = 1000,
}

--- How long a server may take to end after it was told to; then it is killed. A stop in progress, which takes up to ten
--- seconds, is not left half done.
local FAREWELL_MS = 15000

---@type headcount.Abilities
local NO_ABILITIES = { version = '', methods = {}, agents = {} }

local uv = vim.uv or vim.loop

---@type headcount.State
local state = 'stopped'
local abilities = NO_ABILITIES
--- What agents are called, as a server said it last: that outlives it.
---@type table<string, string>
local names = {}
--- The connection, as `vim.lsp.rpc.start` returns it; nil while there is none.
local link = nil
--- Requests that wait for their answer: token → callback. A token is the caller's alone.
---@type table<table, headcount.Callback>
local pending = {}
--- What to do when the server is ready, or will not be.
---@type headcount.Callback[]
local waiting_for_start = {}
---@type table<string, fun(params: any)[]>
local listeners = {}
---@type fun(state: headcount.State)[]
local observers = {}
--- Rises with every start, end and stop: what belongs to an earlier process is told by it.
local generation = 0
--- Why there is no server, where one was wanted.
---@type string|nil
local trouble = nil

---@param next_state headcount.State
local function become(next_state)
  state = next_state
  for _, observer in ipairs(observers) do
    observer(next_state)
  end
end

---@param err headcount.Error|nil
local function tell_started(err)
  local callbacks = waiting_for_start
  waiting_for_start = {}
  for _, callback in ipairs(callbacks) do
    callback(err, abilities)
  end
end

--- Answers a request once, whoever is first: the server, a cancellation, or the end of the process.
---@param token table
---@param err headcount.Error|nil
---@param result any
local function finish(token, err, result)
  local callback = pending[token]
  pending[token] = nil
  if callback then
    callback(err, result)
  end
end

---@param message string
local function finish_all(message)
  for token in pairs(vim.tbl_extend('force', {}, pending)) do
    finish(token, { code = M.GONE, message = message })
  end
end

---@param connection table
---@param method string
---@param params table
---@param callback headcount.Callback
---@return fun() cancel
local function send(connection, method, params, callback)
  local token = {}
  pending[token] = callback
  local is_sent, id = connection.request(method, params, function(err, result)
    finish(token, err, result)
  end)
  if not is_sent then
    vim.schedule(function()
      finish(token, { code = M.GONE, message = 'the headcount server has ended' })
    end)
  end
  return function()
    if pending[token] then
      connection.notify('$/cancelRequest', { id = id })
      finish(token, { code = M.CANCELLED, message = 'cancelled' })
    end
  end
end

local start

--- Makes the process end, whatever it is doing.
---@param connection table
local function terminate(connection)
  if connection.terminate then
    connection.terminate()
  elseif not connection.handle:is_closing() then
    connection.handle:kill('sigterm')
  end
end

--- There is no server any more: again, later, unless that happens too often.
---@param why string
local function ended(why)
  generation = generation + 1
  link = nil
  abilities = NO_ABILITIES
  trouble = why
  local pause = restarts.pause_after(uv.now(), M.wait_ms.pause)
  finish_all(why)
  if not pause then
    become('failed')
    tell_started({ code = M.GONE, message = why })
    return
  end
  become('starting')
  local mine = generation
  vim.defer_fn(function()
    if generation == mine then
      start()
    end
  end, pause)
end

---@param program string
---@param arguments string[]
---@param dispatchers table
local function spawn(program, arguments, dispatchers)
  if vim.fn.has('nvim-0.10') == 1 then
    return vim.lsp.rpc.start(vim.list_extend({ program }, arguments), dispatchers)
  end
  return vim.lsp.rpc.start(program, arguments, dispatchers)
end

start = function()
  generation = generation + 1
  local mine = generation
  local program = config.program()
  if not program then
    trouble = ('no program `%s` on PATH'):format(config.current.cmd[1])
    become('missing')
    return tell_started({ code = M.GONE, message = trouble .. '; see :checkhealth headcount' })
  end
  become('starting')
  local connection
  local function is_current()
    return generation == mine
  end
  local function refuse(why)
    if is_current() and state ~= 'ready' then
      terminate(connection)
      ended(why)
    end
  end
  connection = spawn(program, config.arguments(), {
    notification = function(method, params)
      if is_current() then
        for _, listener in ipairs(listeners[method] or {}) do
          listener(params)
        end
      end
    end,
    server_request = function()
      return nil, { code = -32601, message = 'no requests to the client' }
    end,
    on_exit = function(code)
      vim.schedule(function()
        if is_current() then
          ended(('the headcount server has ended with code %d'):format(code))
        end
      end)
    end,
    -- Once it has said hello a broken message is the log's; the request it belonged to ends with the process.
    on_error = vim.schedule_wrap(function()
      refuse(('`%s` does not speak as a headcount server'):format(program))
    end),
  })
  link = connection
  send(connection, 'initialize', hello.params(), function(err, result)
    if not is_current() then
      return
    elseif err then
      return refuse('the headcount server says no hello: ' .. err.message)
    end
    local said = hello.abilities(result)
    if not said then
      return refuse(('`%s` is no headcount server'):format(program))
    end
    connection.notify('initialized', vim.empty_dict())
    abilities, trouble = said, nil
    for _, card in ipairs(said.agents) do
      names[card.id] = card.name
    end
    become('ready')
    tell_started(nil)
  end)
  vim.defer_fn(function()
    refuse(('no hello from the headcount server within %g s'):format(M.wait_ms.hello / 1000))
  end, M.wait_ms.hello)
end

--- Calls back when the server is there, with what it can do; starts it where nobody has.
---@param callback fun(err: headcount.Error|nil, abilities: headcount.Abilities)
function M.start(callback)
  if state == 'ready' then
    return callback(nil, abilities)
  end
  table.insert(waiting_for_start, callback)
  if state ~= 'starting' then
    restarts.forget()
    trouble = nil
    start()
  end
end

--- Asks the server. The callback is called exactly once: with the answer, with `CANCELLED`, or with `GONE`.
---@param method string
---@param params table|nil
---@param callback headcount.Callback
---@return fun() cancel ends the request on the server too; nothing after the answer
function M.request(method, params, callback)
  local is_cancelled, cancel = false, nil
  M.start(function(err)
    if is_cancelled then
      return
    elseif err then
      return callback(err)
    elseif not M.can(method) then
      return callback({ code = -32601, message = ('this server has no `%s`'):format(method) })
    end
    cancel = send(link, method, params or vim.empty_dict(), callback)
  end)
  return function()
    if cancel then
      return cancel()
    elseif not is_cancelled then
      is_cancelled = true
      callback({ code = M.CANCELLED, message = 'cancelled' })
    end
  end
end

--- Lets a server that takes long show that it lives: what it has said once it can say again at once. Where it does not, it
--- hangs, and another one is started; that answers all that wait for it.
---@param connection table
---@param is_done fun(): boolean
local function watch_over(connection, is_done)
  vim.defer_fn(function()
    if is_done() or link ~= connection then
      return
    end
    local is_alive = false
    send(connection, 'initialize', hello.params(), function()
      is_alive = true
    end)
    vim.defer_fn(function()
      if link ~= connection then
        return
      elseif is_alive then
        return watch_over(connection, is_done)
      end
      terminate(connection)
      ended('the headcount server does not answer')
    end, M.wait_ms.hello)
  end, M.wait_ms.look)
end

--- Asks for what is looked up. A server that is slow is waited for, since its settings may give it long; one that hangs is not.
---@param method string
---@param params table|nil
---@param callback headcount.Callback
function M.look(method, params, callback)
  local is_done = false
  M.request(method, params, function(err, result)
    is_done = true
    callback(err, result)
  end)
  M.start(function(err)
    if not err then
      watch_over(link, function()
        return is_done
      end)
    end
  end)
end

--- Asks and waits, for where Neovim itself waits (`:checkhealth`).
---@param method string
---@param params table|nil
---@param timeout_ms integer
---@return headcount.Error|nil, any
function M.request_sync(method, params, timeout_ms)
  local answer = nil
  local cancel = M.request(method, params, function(err, result)
    answer = answer or { err = err, result = result }
  end)
  if not vim.wait(timeout_ms, function()
    return answer ~= nil
  end, 10) then
    local message = ('no answer within %g s'):format(timeout_ms / 1000)
    answer = { err = { code = M.SILENT, message = message } }
    cancel()
  end
  return answer.err, answer.result
end

--- Hears what the server pushes.
---@param method string
---@param listener fun(params: any)
function M.on(method, listener)
  listeners[method] = listeners[method] or {}
  table.insert(listeners[method], listener)
end

--- Hears each change of state.
---@param observer fun(state: headcount.State)
function M.on_state(observer)
  table.insert(observers, observer)
end

---@return headcount.State
function M.state()
  return state
end

--- Why there is no server, where one was wanted; nil while it is there.
---@return string|nil
function M.trouble()
  return trouble
end

--- Whether it is gone for good, until somebody does something about it.
---@return boolean
function M.is_off()
  return state == 'missing' or state == 'failed'
end

--- Whether the server has this method: commands light up by it.
---@param method string
---@return boolean
function M.can(method)
  return abilities.methods[method] == true
end

---@return headcount.Abilities
function M.abilities()
  return abilities
end

--- The name of an agent for people.
---@param agent string
---@return string
function M.agent_name(agent)
  return names[agent] or agent
end

--- Ends the server; the sessions it launched live on.
function M.stop()
  generation = generation + 1
  local connection = link
  link = nil
  abilities, trouble = NO_ABILITIES, nil
  if connection and state ~= 'ready' then
    terminate(connection) -- who has not said hello may not understand a farewell, and Neovim may be leaving
  elseif connection then
    connection.request('shutdown', vim.empty_dict(), function()
      connection.notify('exit', vim.empty_dict())
    end)
    vim.defer_fn(function()
      terminate(connection)
    end, FAREWELL_MS)
  end
  finish_all('the headcount server was stopped')
  become('stopped')
  tell_started({ code = M.GONE, message = 'the headcount server was stopped' })
end

return M
