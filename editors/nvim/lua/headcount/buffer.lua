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

-- Named differently since 0.12.
local diff = (vim.text or {}).diff or vim.diff

---@param lines string[]
---@return string
local function text_of(lines)
  return table.concat(lines, '\n') .. '\n'
end

--- Shows these lines, and touches none that stands there already: where a row of thousands changes, cursors, marks and what is
--- on the screen stay. Marks of the namespace go with the lines that they are on.
---@param buffer integer
---@param lines string[]
---@param namespace integer|nil
---@return integer[][] fresh the first and the last of each run of lines that are new
function M.put(buffer, lines, namespace)
  local before = vim.api.nvim_buf_get_lines(buffer, 0, -1, false)
  local fresh = {}
  if vim.deep_equal(before, lines) then
    return fresh
  end
  local runs = diff(text_of(before), text_of(lines), { result_type = 'indices' })
  vim.bo[buffer].modifiable = true
  -- From below, so that what is above keeps its numbers.
  for index = #runs, 1, -1 do
    local old, old_count, new, new_count = unpack(runs[index])
    -- What merely comes in comes behind that line.
    local first = old_count > 0 and old - 1 or old
    local last = new + new_count - 1
    if namespace then
      vim.api.nvim_buf_clear_namespace(buffer, namespace, first, first + old_count)
    end
    local run = vim.list_slice(lines, new, last)
    vim.api.nvim_buf_set_lines(buffer, first, first + old_count, false, run)
    table.insert(fresh, { new, last })
  end
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
  return fresh
end

return M
