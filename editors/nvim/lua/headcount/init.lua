--- Headcount in Neovim: which coding agents are at work here, and which of them needs you.

local client = require('headcount.client')
local config = require('headcount.config')
local notices = require('headcount.notices')
local roster = require('headcount.roster')
local words = require('headcount.words')

local M = {}

local has_begun = false

--- Tells whoever shows something of it: the status line, and `User HeadcountChanged`.
local function redraw()
  vim.cmd('redrawstatus!')
  vim.api.nvim_exec_autocmds('User', { pattern = 'HeadcountChanged', modeline = false })
end

--- Whether the user knows that there is no server.
local has_complained = false

--- Says once that there is no server: its silence would look like nobody needing anybody.
local function complain()
  if client.is_off() and not has_complained then
    notices.tell('Headcount: ' .. client.trouble(), vim.log.levels.ERROR)
  end
  has_complained = client.is_off()
end

--- Looks from now on; the first use of anything calls it. A server that is not there is tried again.
function M.begin()
  if has_begun then
    return roster.watch()
  end
  has_begun = true
  client.on_state(complain)
  notices.begin()
  roster.on_change(redraw)
  vim.api.nvim_create_autocmd(
    'VimLeavePre',
    { callback = client.stop, desc = 'end the headcount server' }
  )
  roster.watch()
end

--- Takes settings, and looks from now on. Optional; may be called again.
---@param options table|nil see |headcount-setup|
function M.setup(options)
  config.set(options)
  if client.state() ~= 'stopped' then
    client.stop()
    client.start(function() end)
  end
  M.begin()
end

--- Fills a buffer of ours, which is being read or has got its name.
---@param buffer integer
function M.read(buffer)
  M.begin()
  local list = require('headcount.list')
  local is_list = vim.api.nvim_buf_get_name(buffer) == list.NAME
  local reader = is_list and list or require('headcount.pages')
  reader.load(buffer)
end

--- `2 need you`, or nothing, or that nobody looks: for a status line.
---@return string
function M.statusline()
  if not has_begun then
    vim.schedule(M.begin)
  end
  return client.is_off() and 'headcount is off' or words.need(roster.count('waiting'))
end

--- The sessions as they are known, for other plugins.
---@return headcount.Session[]
function M.sessions()
  return roster.sessions()
end

return M
