--- When a server that ended is started again: later each time, and not after so many ends that another start would not help.

local M = {}

local MOST_ENDS = 5
--- Ends that lie further back do not count.
local WINDOW_MS = 3 * 60 * 1000

---@type integer[] when the server ended by itself
local ends = {}

--- The pause after an end, twice as long each time; nil when it is time to give up.
---@param now integer
---@param first_ms integer the first pause
---@return number|nil
function M.pause_after(now, first_ms)
  ends = vim.tbl_filter(function(at)
    return now - at < WINDOW_MS
  end, ends)
  table.insert(ends, now)
  return #ends < MOST_ENDS and first_ms * 2 ^ (#ends - 1) or nil
end

--- Somebody asks afresh: what was before does not count.
function M.forget()
  ends = {}
end

return M
