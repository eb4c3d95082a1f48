--- A recorded store of Claude Code, in which one session waits for a permission, and a process table in which it lives.

local here = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h')
local h = dofile(here .. '/harness.lua')

local FIXTURE = h.project .. '/tests/fixtures/claude-code/tui-waiting-permission'

local M = { h = h, id = '6678ccd4-1e69-462e-97f8-bd8d90f3b2aa', world = vim.fn.tempname() }

M.home = M.world .. '/home'

local REGISTERED = M.home .. '/.claude/sessions/3826.json'

function M.make()
  vim.fn.mkdir(M.world, 'p')
  vim.fn.system({ 'cp', '-r', FIXTURE, M.home })
  assert(vim.v.shell_error == 0, 'the recorded store can be copied')
  local fields = { '3826 (claude) S 1 3826 3826' }
  for _ = 7, 21 do
    table.insert(fields, '0')
  end
  table.insert(fields, '163782') -- field 22: when it started
  for _ = 23, 52 do
    table.insert(fields, '0')
  end
  h.write(M.world .. '/proc/3826/stat', table.concat(fields, ' ') .. '\n')
  h.write(M.world .. '/proc/stat', 'btime 1795377969\n')
end

--- Lets the agent register another state, as it does when its state changes.
function M.becomes(status, at)
  local entry = vim.fn.json_decode(vim.fn.readfile(REGISTERED))
  entry.status, entry.updatedAt, entry.statusUpdatedAt = status, at, at
  entry.waitingFor = status == 'waiting' and 'permission prompt' or nil
  h.write(REGISTERED, vim.fn.json_encode(entry))
end

--- The command of a server that sees this world alone, with more arguments.
function M.server(...)
  return { h.headcount, '--home', M.home, '--proc', M.world .. '/proc', ... }
end

--- The session's transcript.
function M.transcript()
  return vim.fn.glob(M.home .. '/.claude/projects/*/' .. M.id .. '.jsonl')
end

--- The line of the list that shows the session, and its number; nil where there is none.
function M.row()
  return h.line_with('Mock session title')
end

--- Opens the list with the cursor on the session.
function M.go_to_row()
  vim.cmd('Headcount')
  h.eventually('the row', M.row)
  local _, number = M.row()
  vim.api.nvim_win_set_cursor(0, { number, 0 })
end

return M
