--- The plugin launches, stops and resumes a stand-in agent through the real server: real processes.

local h = dofile(vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h') .. '/harness.lua')
local test, eventually, equal = h.test, h.eventually, h.equal

--- The thread that the stand-in tells.
local ID = '01a204f1-08e9-78d2-82f9-39a1cb452841'
local world = vim.fn.tempname()

vim.fn.mkdir(world .. '/home', 'p')
vim.fn.mkdir(world .. '/work', 'p')
vim.env.PATH = h.project .. '/tests/fixtures/bin:' .. vim.env.PATH
vim.env.HEADCOUNT_STATE_DIR = world .. '/state'
vim.cmd('cd ' .. vim.fn.fnameescape(world .. '/work'))
vim.cmd('runtime plugin/headcount.lua')

local headcount = require('headcount')
local client = require('headcount.client')
local roster = require('headcount.roster')

local function status()
  return (roster.get('codex ' .. ID) or {}).status
end

headcount.setup({ cmd = { h.headcount, '--home', world .. '/home' } })

test('launch asks for agent and prompt, and says the session', function()
  h.answer.select, h.answer.input = 'Codex', 'Fix the failing test'
  vim.cmd('Headcount launch')
  eventually('the session', function()
    return h.times_said('Codex is at work: ' .. ID) == 1
  end)
  equal(h.asked.select.prompt, 'Launch which agent?')
  local place = vim.fn.fnamemodify(vim.fn.getcwd(), ':~')
  equal(h.asked.input, ('Prompt for Codex in %s: '):format(place))
  eventually('the running session', function()
    return status() == 'running'
  end)
end)

test('a directory that is taken is said to be, and whether to launch anyway is asked', function()
  vim.cmd('Headcount launch codex exit 4')
  eventually('the question', function()
    return h.asked.select
  end)
  assert(h.asked.select.prompt:find('is claimed', 1, true), h.asked.select.prompt)
  equal(h.asked.select.lines, { 'Launch anyway', 'Cancel' })
  equal(h.times_said('launching …'), 1)
end)

test('what came to nothing need not be typed again', function()
  h.answer.select = 'Codex'
  vim.cmd('Headcount launch')
  eventually('the prompt', function()
    return h.asked.input
  end)
  equal(h.asked.default, 'exit 4')
end)

test('it is launched anyway where that is wanted, and an agent that ends is quoted', function()
  h.answer.select = 'Launch anyway'
  vim.cmd("Headcount launch codex echo 'no model'; exit 4")
  eventually('the error', function()
    return h.times_said(': no model') == 1
  end)
  equal(h.times_said('launching …'), 2)
end)

test('with a bang nobody is asked', function()
  vim.cmd("Headcount! launch codex echo 'no model'; exit 4")
  eventually('the error', function()
    return h.times_said(': no model') == 1
  end)
  equal(h.asked.select, nil)
end)

test('the lines of a range are the prompt, below what stands in the command', function()
  vim.cmd('new')
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { "echo 'one'", "echo 'two'", 'exit 4', 'exit 5' })
  vim.cmd('1,3Headcount! launch codex printf three')
  eventually('the error', function()
    return h.times_said(': two') == 1
  end)
  vim.cmd('bwipeout!')
end)

test('a range is nothing to look at', function()
  vim.cmd('1Headcount peek ' .. ID)
  equal(h.times_said('a range is a prompt, for launch and resume'), 1)
end)

test('agents that the server may find are offered after those that Neovim finds', function()
  local path = vim.env.PATH
  vim.env.PATH = h.project .. '/tests/fixtures/bin'
  vim.cmd('Headcount launch')
  eventually('the question', function()
    return h.asked.select
  end)
  vim.env.PATH = path
  equal(h.asked.select.lines[1], 'Codex')
  equal(h.asked.select.lines[2], 'Claude Code (not on the PATH here)')
  equal(#h.asked.select.lines, #client.abilities().agents)
end)

test('stop with a bang ends it without a question', function()
  vim.cmd('Headcount! stop ' .. ID)
  eventually('the end', function()
    return h.times_said('stopped: Fix the failing test') == 1
  end)
  equal(h.asked.select, nil)
  eventually('the ended session', function()
    return status() ~= 'running'
  end)
end)

test('resume with a prompt goes on detached', function()
  vim.cmd('Headcount resume ' .. ID .. ' Now write the changelog')
  eventually('the session', function()
    return h.times_said('Codex is at work: ' .. ID) == 1
  end)
  eventually('the running session', function()
    return status() == 'running'
  end)
end)

test('the list stops what is under the cursor', function()
  vim.cmd('Headcount')
  eventually('the row', function()
    return h.line_with('Now write the changelog') or h.line_with('Fix the failing test')
  end)
  local _, number = h.line_with('● running')
  vim.api.nvim_win_set_cursor(0, { number, 0 })
  h.answer.select = 'Stop'
  h.press('s')
  eventually('the end', function()
    return h.times_said('stopped: ') == 1
  end)
end)

test('resume without a prompt opens a terminal where the session worked', function()
  vim.cmd('Headcount resume ' .. ID)
  eventually('the terminal', function()
    return vim.bo.buftype == 'terminal'
  end)
  assert(vim.fn.bufname():find('codex', 1, true), vim.fn.bufname())
  assert(vim.fn.bufname():find('/work', 1, true), vim.fn.bufname())
  vim.cmd('bwipeout!')
end)

test('what cannot be resumed in a terminal says why, and opens no window', function()
  local function refusal_of(resume)
    h.said = {}
    local look = client.look
    client.look = function(_, _, callback)
      callback(nil, { session = { cwd = world .. '/work' }, resume = resume })
    end
    require('headcount.actions').resume({ sessionId = ID, agent = 'codex' })
    client.look = look
    equal(#vim.api.nvim_list_wins(), 1)
    return h.said[1].text
  end
  vim.cmd('only')
  equal(
    refusal_of({ command = { 'codex' }, cwd = '/no/such/directory' }),
    'Headcount: the session cannot be resumed: its directory is gone: /no/such/directory'
  )
  equal(
    refusal_of({ command = { 'no-such-agent' } }),
    'Headcount: the session cannot be resumed: `no-such-agent` is not on the PATH of Neovim'
  )
end)

test('what is over is not stopped', function()
  require('headcount.actions').stop({ sessionId = ID, agent = 'codex', status = 'stopped' })
  equal(h.asked.select, nil)
  equal(h.times_said('no live process owns this session'), 1)
end)

test('an agent that dies at once is an error with its reason', function()
  vim.cmd('Headcount launch codex exit 3')
  eventually('the error', function()
    return h.times_said('codex did not come up') == 1
  end)
  equal(h.said[2].level, vim.log.levels.ERROR)
end)

client.stop()
vim.fn.delete(world, 'rf')
h.finish()
