--- What a user sees of a message: a real interface, in a terminal of forty columns.

local here = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h')
local recorded = dofile(here .. '/recorded.lua')
local h = recorded.h
local test, eventually, equal = h.test, h.eventually, h.equal

local COLUMNS = 40
local socket = recorded.world .. '/nvim.sock'

recorded.make()
local init = {
  ('vim.opt.runtimepath:prepend(%q)'):format(h.project .. '/editors/nvim'),
  ('local cmd = vim.fn.json_decode(%q)'):format(vim.fn.json_encode(recorded.server())),
  "require('headcount').setup({ cmd = cmd })",
}
h.write(recorded.world .. '/init.lua', table.concat(init, '\n'))

vim.o.columns, vim.o.lines = 80, 24
vim.cmd(COLUMNS .. 'vnew')
local command = { vim.v.progpath, '-u', recorded.world .. '/init.lua', '-i', 'NONE', '-n' }
vim.list_extend(command, { '--listen', socket })
local job
if vim.fn.has('nvim-0.11') == 1 then
  job = vim.fn.jobstart(command, { term = true })
else
  job = vim.fn.termopen(command)
end

local channel
local function ask(expression)
  return vim.fn.rpcrequest(channel, 'nvim_exec_lua', 'return ' .. expression, {})
end

--- The last line of the screen that holds anything.
local function last_line()
  local lines = vim.tbl_filter(function(line)
    return line ~= ''
  end, h.lines())
  return lines[#lines]
end

--- Lets a session start to wait, which is told.
local function starts_to_wait(at)
  recorded.becomes('busy', at)
  eventually('the running session', function()
    return ask([[require('headcount').statusline()]]) == ''
  end)
  recorded.becomes('waiting', at + 1000)
end

local function mode()
  return vim.fn.rpcrequest(channel, 'nvim_get_mode')
end

test('a message of its own accord takes one line of a narrow screen', function()
  eventually('the interface', function()
    local is_there, opened = pcall(vim.fn.sockconnect, 'pipe', socket, { rpc = true })
    channel = is_there and opened or nil
    return channel ~= nil and channel > 0
  end)
  -- It listens before it has read its settings.
  eventually('its settings', function()
    return vim.fn.rpcrequest(channel, 'nvim_get_vvar', 'vim_did_enter') == 1
  end)
  eventually('the session', function()
    return ask([[require('headcount').statusline()]]) == '1 needs you'
  end)
  starts_to_wait(1795379650000)
  -- A prompt to press ENTER would stand below it.
  eventually('the message', function()
    return vim.startswith(last_line() or '', 'Claude Code needs a ')
  end)
  assert(last_line():find('…$'), last_line())
  assert(vim.fn.strdisplaywidth(last_line()) < COLUMNS, last_line())
  equal(mode(), { mode = 'n', blocking = false })
end)

test('and it stops nobody who writes', function()
  vim.fn.chansend(job, 'i')
  eventually('insert mode', function()
    return mode().mode == 'i'
  end)
  starts_to_wait(1795379652000)
  eventually('the second message', function()
    assert(not mode().blocking, 'the user is stopped')
    local _, count = ask([[vim.fn.execute('messages')]]):gsub('Claude Code needs', '')
    return count == 2
  end)
  equal(mode(), { mode = 'i', blocking = false })
end)

vim.fn.jobstop(job)
vim.fn.delete(recorded.world, 'rf')
h.finish()
