-- Registers the command; everything else loads when it is used.

if vim.g.loaded_headcount then
  return
end
vim.g.loaded_headcount = true

vim.api.nvim_create_user_command('Headcount', function(call)
  local has_range = call.range > 0
  local lines = has_range and vim.api.nvim_buf_get_lines(0, call.line1 - 1, call.line2, false) or {}
  require('headcount.command').run(call.fargs, call.bang, lines)
end, {
  nargs = '*',
  bang = true,
  range = true,
  desc = 'Which coding agents are at work here, and which of them needs you',
  complete = function(...)
    return require('headcount.command').complete(...)
  end,
})

-- The list and the pages of a session are buffers: `:edit` reads them anew, `:mksession` restores
-- their names alone.
vim.api.nvim_create_autocmd({ 'BufReadCmd', 'BufFilePost' }, {
  group = vim.api.nvim_create_augroup('headcount', {}),
  pattern = 'headcount://*',
  callback = function(event)
    require('headcount').read(event.buf)
  end,
})
