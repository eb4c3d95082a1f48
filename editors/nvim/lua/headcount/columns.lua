--- The columns of the list: what stands in them, and how wide they are.

local client = require('headcount.client')
local screen = require('headcount.screen')
local words = require('headcount.words')

local M = {}

--- Between two columns.
M.GAP = '  '
M.STATE, M.TITLE = 1, 3
local AGENT, TITLE, DIRECTORY, AGE = 2, M.TITLE, 4, 5
--- Narrowest useful title and directory. Where there is no room for both, the directory goes, then the agent.
local TITLE_MIN, DIRECTORY_MIN = 24, 12

---@param path string|nil
---@return string
local function fold_home(path)
  return path and screen.clean(vim.fn.fnamemodify(path, ':~')) or ''
end

--- A session as it stands in the list.
---@class headcount.Row
---@field status headcount.Status
---@field cells string[] what stands in each column
---@field widths integer[] how many cells of the screen each takes
---@field line string as it was drawn last
---@field spans table<integer, integer[]> of each column that shows anything the first byte in the line, and the one behind its last
---@field drawn_for string|nil the widths of the columns for which it was drawn

--- A session that changes comes as another table: what was once made of one holds for as long as it is there.
---@type table<headcount.Session, headcount.Row>
local rows = setmetatable({}, { __mode = 'k' })

---@param session headcount.Session
---@return headcount.Row
local function new_row(session)
  local is_waiting = session.status == 'waiting'
  local state = is_waiting and words.need_of(session) or session.status
  local cells = {
    (words.SYMBOL[session.status] or '?') .. ' ' .. state,
    client.agent_name(session.agent),
    words.title(session),
    fold_home(session.cwd),
    '',
  }
  local widths = vim.tbl_map(screen.width, cells)
  return { status = session.status, cells = cells, widths = widths, line = '', spans = {} }
end

--- The row of a session.
---@param session headcount.Session
---@param now integer
---@return headcount.Row
function M.row(session, now)
  local row = rows[session] or new_row(session)
  rows[session] = row
  local age = words.age(session.updatedAt, now)
  if row.cells[AGE] ~= age then
    row.cells[AGE], row.widths[AGE], row.drawn_for = age, #age, nil
  end
  return row
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
---@param all headcount.Row[]
---@param width integer
---@return integer[]
local function fitting(all, width)
  local widths = { 0, 0, 0, 0, 0 }
  for _, row in ipairs(all) do
    for column, its in ipairs(row.widths) do
      widths[column] = math.max(widths[column], its)
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

--- A cell in the width of its column, and how wide it is there: of a directory the end is kept.
---@param row headcount.Row
---@param column integer
---@param width integer
---@return string, integer
local function fitted(row, column, width)
  local cell, its = row.cells[column], row.widths[column]
  if its <= width then
    return cell, its
  end
  local fit = column == DIRECTORY and screen.fit_end or screen.fit
  local cut = fit(cell, width)
  return cut, screen.width(cut)
end

---@param row headcount.Row
---@param widths integer[]
local function draw(row, widths)
  local parts, spans, length = {}, {}, 0
  for column, width in ipairs(widths) do
    if width > 0 then
      local text, its = fitted(row, column, width)
      local gap = (' '):rep(width - its) .. M.GAP
      table.insert(parts, text)
      table.insert(parts, gap)
      spans[column] = text ~= '' and { length, length + #text } or nil
      length = length + #text + #gap
    end
  end
  row.line, row.spans = table.concat(parts):gsub(' +$', ''), spans
end

--- Draws rows one below the other, so that they fit; one that was drawn just so is not drawn again.
---@param all headcount.Row[]
---@param width integer
function M.draw(all, width)
  local widths = fitting(all, width)
  local drawn_for = table.concat(widths, ' ')
  for _, row in ipairs(all) do
    if row.drawn_for ~= drawn_for then
      draw(row, widths)
      row.drawn_for = drawn_for
    end
  end
end

return M
