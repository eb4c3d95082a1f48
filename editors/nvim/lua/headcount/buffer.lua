--- Buffers that show something of headcount: nobody's file, and nothing to write in.

local M = {}

--- Makes a buffer that has just been loaded one of ours.
---@param buffer integer
---@param filetype string
function M.prepare(buffer, filetype)
  local options = vim.bo[buffer]
  options.buftype, options.swapfile, options.undofile = 'nofile', false, false
  options.modeline, options.modifiable = false, false
  options.undolevels = -1 -- it is drawn again with every change, and each would be kept
  options.filetype = filetype
end

--- Shows these lines; a redraw that changes nothing touches nothing.
---@param buffer integer
---@param lines string[]
---@return boolean has_changed
function M.put(buffer, lines)
  if vim.deep_equal(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), lines) then
    return false
  end
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
  return true
end

return M
