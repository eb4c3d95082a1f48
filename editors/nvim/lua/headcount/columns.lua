--- The columns of the list: what stands in them, and how wide they are.

local client = require('headcount.client')
local screen = require('headcount.screen')
local words = require('headcount.words')

local M = {}

--- Between two columns.
M.GAP = '  '
local AGENT, TITLE, DIRECTORY = 2, 3, 4
--- Narrowest useful title and directory. Where there is no room for both, the directory goes, then the agent.
local TITLE_MIN, DIRECTORY_MIN = 24, 12

---@param path string|nil
---@return string
local function fold_home(path)
  return path and screen.clean(vim.fn.fnamemodify(path, ':~')) or ''
end

---@param text string
---@param width integer
---@return string
function M.padded(text, width)
  return text .. string.rep(' ', width - screen.width(text))
end

---@param session headcount.Session
---@param now integer
---@return string[] cells
function M.cells(session, now)
  local is_waiting = session.status == 'waiting'
  local state = is_waiting and words.need_of(session) or session.status
  return {
    (words.SYMBOL[session.status] or '?') .. ' ' .. state,
    client.agent_name(session.agent),
    words.title(session),
    fold_home(session.cwd),
    words.age(session.updatedAt, now),
  }
end

--- What is left for the title beside the other columns.
---@param widths integer[]
---@param width integer
---@return integer
local function rest(widths, width)
  for column, its in ipairs(widths) do
    if column ~= TITLE and its > 0 then
      width = width - its - #M.GAP
    end
  end
  return width
end

--- How wide each column may be, so that the rows fit: the directory gives way first.
---@param rows string[][]
---@param width integer
---@return integer[]
function M.fitting(rows, width)
  local widths = { 0, 0, 0, 0, 0 }
  for _, row in ipairs(rows) do
    for column, cell in ipairs(row) do
      widths[column] = math.max(widths[column], screen.width(cell))
    end
  end
  local title, room = widths[TITLE], rest(widths, width)
  if title > room then
    local third = math.floor((room + widths[DIRECTORY]) / 3)
    local least = math.min(widths[DIRECTORY], math.max(DIRECTORY_MIN, third))
    widths[DIRECTORY] = math.max(least, widths[DIRECTORY] - (title - room))
  end
  for _, column in ipairs({ DIRECTORY, AGENT }) do
    if rest(widths, width) < math.min(title, TITLE_MIN) then
      widths[column] = 0
    end
  end
  widths[TITLE] = math.max(math.min(title, rest(widths, width)), 1)
  return widths
end

--- A cell in the width of its column: of a directory the end is kept.
---@param column integer
---@param cell string
---@param width integer
---@return string
function M.fit(column, cell, width)
  local fit = column == DIRECTORY and screen.fit_end or screen.fit
  return fit(cell, width)
end

return M
