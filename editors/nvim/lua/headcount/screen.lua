--- Text on the screen: nothing in it that a terminal obeys, and in as many cells as there are.

local M = {}

--- What ends a word, in UTF-8: what a terminal would obey, and what would begin another line.
local SEPARATORS = {
  '[%z\1-\31\127]',
  '\194[\128-\159]', -- C1 controls
  '\226\128[\168\169]', -- line and paragraph separators
}
--- What a reader of bidirectional text would obey, or nobody would see.
local HIDDEN = {
  '\194\173', -- the soft hyphen
  '\216\156', -- the Arabic letter mark
  '\226\128[\139\142\143\170-\174]', -- a blank without width, marks, embeddings, overrides
  '\226\129[\160-\175]', -- joiners of words, isolates
  '\239\187\191', -- the mark at the start of a file
}

--- Text on one line, without what a terminal would obey. Where nothing has to go, which is told at once, it stays as it is: a
--- list is long.
---@param text string
---@return string
function M.clean(text)
  local is_plain = not text:find('[^ -~]')
  if is_plain and not text:find('  ', 1, true) then
    return vim.trim(text)
  end
  for _, pattern in ipairs(HIDDEN) do
    text = text:gsub(pattern, '')
  end
  for _, pattern in ipairs(SEPARATORS) do
    text = text:gsub(pattern, ' ')
  end
  return vim.trim((text:gsub('%s+', ' ')))
end

--- How many cells of the screen a text takes.
---@param text string
---@return integer
function M.width(text)
  return vim.api.nvim_strwidth(text)
end

--- The longest beginning of a text in this many cells of the screen.
---@param text string
---@param width integer
---@return string
local function beginning(text, width)
  local cut = vim.fn.strcharpart(text, 0, width)
  local surplus = M.width(cut) - width
  while surplus > 0 do
    cut = vim.fn.strcharpart(cut, 0, vim.fn.strchars(cut) - math.ceil(surplus / 2)) -- a character takes two at most
    surplus = M.width(cut) - width
  end
  return cut
end

--- Text in this many cells of the screen, cut at its end.
---@param text string
---@param width integer
---@return string
function M.fit(text, width)
  if M.width(text) <= width then
    return text
  end
  return beginning(text, width - 1) .. '…'
end

--- Text on lines of this many cells, broken at blanks, and within a word where that alone is longer than a line.
---@param text string
---@param width integer
---@return string[]
function M.wrap(text, width)
  local lines = { '' }
  for word in text:gmatch('%S+') do
    local longer = lines[#lines] == '' and word or lines[#lines] .. ' ' .. word
    if M.width(longer) <= width then
      lines[#lines] = longer
    else
      local piece = beginning(word, width)
      while piece ~= word and piece ~= '' do
        table.insert(lines, piece)
        word = word:sub(#piece + 1)
        piece = beginning(word, width)
      end
      table.insert(lines, word)
    end
  end
  if lines[1] == '' and #lines > 1 then
    table.remove(lines, 1)
  end
  return lines
end

--- Text in this many cells of the screen, cut at its beginning: the end of a path tells more.
---@param text string
---@param width integer
---@return string
function M.fit_end(text, width)
  if M.width(text) <= width then
    return text
  end
  local cut = vim.fn.strcharpart(text, math.max(vim.fn.strchars(text) - width + 1, 0))
  while M.width(cut) > width - 1 do
    cut = vim.fn.strcharpart(cut, 1)
  end
  return '…' .. cut
end

return M
