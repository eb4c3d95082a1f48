--- The one window of a tab page in which everything of headcount is shown: nobody's code is taken away for it.

local words = require('headcount.words')

local M = {}

--- The window that shows something of headcount in this tab page, or nil.
---@return integer|nil
function M.find()
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    local name = vim.api.nvim_buf_get_name(vim.api.nvim_win_get_buf(window))
    if vim.startswith(name, 'headcount://') then
      return window
    end
  end
end

--- Opens a window at the bottom; where there is no room for one, the current one has to do.
---@return boolean has_split
function M.split()
  local has_split, trouble = pcall(vim.cmd, 'botright split')
  if not has_split then
    local why = words.vim_error(trouble)
    vim.notify('Headcount: shown in this window: ' .. why, vim.log.levels.WARN)
  end
  return has_split
end

--- Whether no other window is there to go to; floating ones are none.
---@return boolean
function M.is_last()
  local anchored = vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_config(window).relative == ''
  end, vim.api.nvim_list_wins())
  return #anchored <= 1
end

--- Shows a buffer there, and goes there.
---@param buffer integer
function M.show(buffer)
  local window = M.find()
  if window then
    vim.api.nvim_set_current_win(window)
  else
    M.split()
  end
  if vim.api.nvim_get_current_buf() ~= buffer then
    vim.api.nvim_set_current_buf(buffer)
  end
end

return M
