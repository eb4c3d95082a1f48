--- Which session, agent or answer: asked with `vim.ui.select`, which the user's own picker may replace.

local client = require('headcount.client')
local roster = require('headcount.roster')
local words = require('headcount.words')

local M = {}

---@param session headcount.Session
---@return string
local function session_line(session)
  local parts = {
    words.SYMBOL[session.status] or '?',
    words.title(session),
    '—',
    client.agent_name(session.agent) .. ', ' .. words.status(session),
    words.age(session.updatedAt, os.time()),
  }
  return vim.trim(table.concat(parts, ' '))
end

--- Lets the user pick one of the sessions that `suits` lets through.
---@param prompt string
---@param suits fun(session: headcount.Session): boolean
---@param callback fun(session: headcount.Session|nil)
function M.session(prompt, suits, callback)
  local choices = vim.tbl_filter(suits, roster.sessions())
  if #choices == 0 then
    vim.notify('Headcount: there is no such session', vim.log.levels.INFO)
    return callback(nil)
  end
  local options = { prompt = prompt, kind = 'headcount.session', format_item = session_line }
  vim.ui.select(choices, options, callback)
end

--- Lets the user pick an agent: those that Neovim finds first, then those that the server may find.
---@param callback fun(agent: string|nil)
function M.agent(callback)
  local found, others = {}, {}
  for _, card in ipairs(client.abilities().agents) do
    local is_found = false
    for _, binary in ipairs(card.binaries) do
      is_found = is_found or vim.fn.executable(binary) == 1
    end
    table.insert(is_found and found or others, card)
  end
  local options = {
    prompt = 'Launch which agent?',
    kind = 'headcount.agent',
    format_item = function(card)
      return vim.tbl_contains(found, card) and card.name or card.name .. ' (not on the PATH here)'
    end,
  }
  vim.ui.select(vim.list_extend(vim.list_slice(found), others), options, function(card)
    callback(card and card.id)
  end)
end

--- Asks before something ends, or is done all the same.
---@param question string
---@param yes string
---@param callback fun()
function M.confirm(question, yes, callback)
  vim.ui.select(
    { yes, 'Cancel' },
    { prompt = question, kind = 'headcount.confirm' },
    function(answer)
      if answer == yes then
        callback()
      end
    end
  )
end

return M
