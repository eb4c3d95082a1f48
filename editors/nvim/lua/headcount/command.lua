--- `:Headcount`: the list, or a subcommand.

local actions = require('headcount.actions')
local client = require('headcount.client')
local picker = require('headcount.picker')
local roster = require('headcount.roster')
local words = require('headcount.words')

local M = {}

---@param session headcount.Session
---@return boolean
local function is_not_over(session)
  return not actions.is_over(session)
end

---@param session headcount.Session
---@return boolean
local function has_no_owner(session)
  return session.process == nil
end

local function any()
  return true
end

---@class headcount.Subcommand
---@field needs string the method without which it is dark
---@field suits fun(session: headcount.Session): boolean what is offered where no session is named
---@field takes_prompt boolean|nil
---@field run fun(session: headcount.Session, prompt: string, is_sure: boolean)

---@type table<string, headcount.Subcommand>
local ON_SESSION = {
  peek = { needs = 'session.peek', suits = any, run = actions.peek },
  explain = { needs = 'session.status', suits = any, run = actions.explain },
  stop = {
    needs = 'session.stop',
    suits = is_not_over,
    run = function(session, _, is_sure)
      actions.stop(session, is_sure)
    end,
  },
  resume = {
    needs = 'session.resume',
    suits = has_no_owner,
    takes_prompt = true,
    run = actions.resume,
  },
}

---@param text string
local function complain(text)
  vim.notify('Headcount: ' .. text, vim.log.levels.ERROR)
end

--- Finds the session that is meant: the server knows which ids begin like this.
---@param prefix string
---@param callback fun(session: headcount.Session)
local function find(prefix, callback)
  client.look('session.status', { sessionId = prefix }, function(err, result)
    if err then
      return complain(words.error(err))
    end
    callback(result.session)
  end)
end

---@param name string
---@param prefix string|nil of the session's id
---@param prompt string
---@param is_sure boolean
local function on_session(name, prefix, prompt, is_sure)
  local subcommand = ON_SESSION[name]
  local function run(session)
    if session then
      subcommand.run(session, prompt, is_sure)
    end
  end
  client.start(function(err)
    if err then
      return complain(words.error(err))
    elseif not client.can(subcommand.needs) then
      return complain(('this server has no `%s`'):format(subcommand.needs))
    elseif prefix then
      return find(prefix, run)
    end
    roster.refresh(function(list_err)
      if list_err then
        return complain(words.error(list_err))
      end
      picker.session(('Which session to %s?'):format(name), subcommand.suits, run)
    end)
  end)
end

--- What is to be done: what stands in the command, then the lines of its range.
---@param typed string[]
---@param lines string[]
---@return string
local function prompt_of(typed, lines)
  local parts = { table.concat(typed, ' '), table.concat(lines, '\n') }
  return vim.trim(table.concat(parts, '\n\n'))
end

--- Runs the command.
---@param arguments string[]
---@param has_bang boolean not to ask before something ends, or a directory is shared
---@param lines string[] of the range; none where there is no range
function M.run(arguments, has_bang, lines)
  local name, named = arguments[1], arguments[2]
  local prompt = prompt_of(vim.list_slice(arguments, 3), lines)
  local takes_prompt = name == 'launch' or (ON_SESSION[name] or {}).takes_prompt
  require('headcount').begin()
  if #lines > 0 and not takes_prompt then
    complain('a range is a prompt, for launch and resume')
  elseif not name then
    require('headcount.list').open()
  elseif name == 'launch' then
    actions.launch(named, prompt, has_bang)
  elseif ON_SESSION[name] then
    on_session(name, named, prompt, has_bang)
  else
    complain(('`%s` is none of %s'):format(name, table.concat(M.subcommands(), ', ')))
  end
end

--- What can follow `:Headcount`, as far as the server is known.
---@return string[]
function M.subcommands()
  local names = {}
  for name, subcommand in pairs(ON_SESSION) do
    if client.state() ~= 'ready' or client.can(subcommand.needs) then
      table.insert(names, name)
    end
  end
  if client.state() ~= 'ready' or client.can('session.launch') then
    table.insert(names, 'launch')
  end
  table.sort(names)
  return names
end

--- The words from the command's own on; before it there may be modifiers and a range, and it may be abbreviated.
---@param line string
---@return string[]
local function words_of(line)
  local all = vim.split(line, '%s+', { trimempty = true })
  for index, word in ipairs(all) do
    local name = word:match('^%A*(%u%a*)!?$')
    if name and vim.startswith('Headcount', name) then
      return vim.list_slice(all, index)
    end
  end
  return {}
end

--- Completes subcommands, then agents or session ids.
---@param lead string
---@param line string
---@param position integer where the cursor is in the line
---@return string[]
function M.complete(lead, line, position)
  local before = words_of(line:sub(1, position - #lead))
  local candidates = {}
  if #before == 1 then
    candidates = M.subcommands()
  elseif #before == 2 and before[2] == 'launch' then
    for _, card in ipairs(client.abilities().agents) do
      table.insert(candidates, card.id)
    end
  elseif #before == 2 and ON_SESSION[before[2]] then
    for _, session in ipairs(vim.tbl_filter(ON_SESSION[before[2]].suits, roster.sessions())) do
      table.insert(candidates, session.sessionId)
    end
  end
  return vim.tbl_filter(function(it)
    return vim.startswith(it, lead)
  end, candidates)
end

return M
