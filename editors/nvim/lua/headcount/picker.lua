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

--- Lets the user pick an agent, those that are installed first.
---@param callback fun(agent: string|nil)
function M.agent(callback)
  local installed, others = {}, {}
  for _, card in ipairs(client.abilities().agents) do
    local is_installed = false
    for _, binary in ipairs(card.binaries) do
      is_installed = is_installed or vim.fn.executable(binary) == 1
    end
    table.insert(is_installed and installed or others, card)
  end
  local choices = #installed > 0 and installed or others
  local options = {
    prompt = 'Launch which agent?',
    kind = 'headcount.agent',
    format_item = function(card)
      return card.name
    end,
  }
  vim.ui.select(choices, options, function(card)
    callback(card and card.id)
  end)
end

--- Asks before something ends.
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
