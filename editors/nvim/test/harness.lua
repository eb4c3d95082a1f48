--- What every test file needs: tests with a line each, conditions waited for, and what the user would have seen.

local M = {}

--- Longest wait for what should come at once; only a failing test waits so long.
local PATIENCE_MS = 30000

M.project = vim.fn.fnamemodify(debug.getinfo(1, 'S').source:sub(2), ':p:h:h:h:h')
M.headcount = assert(vim.env.HEADCOUNT, 'HEADCOUNT is the server to test against')

local version = vim.version()
local label = ('%d.%d.%d'):format(version.major, version.minor, version.patch)
local failures = 0

vim.opt.runtimepath:prepend(M.project .. '/editors/nvim')

--- What was said by `vim.notify`: `{text, level}`.
M.said = {}
vim.notify = function(text, level)
  table.insert(M.said, { text = text, level = level })
end

--- What the next `vim.ui.select` and `vim.ui.input` answer; the last ones that were asked.
M.answer = { select = nil, input = nil }
M.asked = { select = nil, input = nil }
vim.ui.select = function(items, options, callback)
  local lines = vim.tbl_map(options.format_item or tostring, items)
  M.asked.select = { prompt = options.prompt, lines = lines }
  for index, line in ipairs(lines) do
    if M.answer.select and line:find(M.answer.select, 1, true) then
      return callback(items[index], index)
    end
  end
  callback(nil)
end
vim.ui.input = function(options, callback)
  M.asked.input, M.asked.default = options.prompt, options.default
  callback(M.answer.input)
end

-- What is deprecated works for now, and `:checkhealth` tells of it.
vim.deprecate = function(name)
  error(name .. ' is deprecated')
end

--- Runs one test, and prints how it went.
function M.test(name, run)
  M.said, M.asked, M.answer = {}, {}, {}
  local is_ok, trouble = xpcall(run, debug.traceback)
  if is_ok then
    io.stdout:write(('ok      nvim %-7s %s\n'):format(label, name))
  else
    failures = failures + 1
    io.stdout:write(
      ('FAILED  nvim %-7s %s\n%s\nsaid: %s\n'):format(label, name, trouble, vim.inspect(M.said))
    )
  end
end

--- Waits until the condition holds.
function M.eventually(what, condition)
  assert(vim.wait(PATIENCE_MS, condition, 10), 'never: ' .. what)
end

function M.equal(actual, expected)
  if not vim.deep_equal(actual, expected) then
    error(('expected %s, got %s'):format(vim.inspect(expected), vim.inspect(actual)), 2)
  end
end

--- Whether something was said that holds this text; how often.
function M.times_said(text)
  return #vim.tbl_filter(function(it)
    return it.text:find(text, 1, true) ~= nil
  end, M.said)
end

function M.lines(buffer)
  return vim.api.nvim_buf_get_lines(buffer or 0, 0, -1, false)
end

--- The first line of this buffer that holds this text, or nil.
function M.line_with(text, buffer)
  for number, line in ipairs(M.lines(buffer)) do
    if line:find(text, 1, true) then
      return line, number
    end
  end
end

function M.press(keys)
  local typed = vim.api.nvim_replace_termcodes(keys, true, false, true)
  vim.api.nvim_feedkeys(typed, 'mx', false)
end

function M.write(path, text)
  vim.fn.mkdir(vim.fn.fnamemodify(path, ':h'), 'p')
  local file = assert(io.open(path, 'w'))
  file:write(text)
  file:close()
end

--- Ends Neovim with the verdict.
function M.finish()
  vim.cmd(failures == 0 and 'qall!' or 'cquit!')
end

return M
