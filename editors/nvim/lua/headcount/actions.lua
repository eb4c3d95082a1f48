--- What can be done with a session: the list's keys and the subcommands both end here.

local client = require('headcount.client')
local pages = require('headcount.pages')
local picker = require('headcount.picker')
local roster = require('headcount.roster')
local words = require('headcount.words')

local M = {}

---@param text string
---@param level integer|nil
local function say(text, level)
  vim.notify('Headcount: ' .. text, level or vim.log.levels.INFO)
end

--- Shows what went wrong; a cancelled request did not.
---@param err headcount.Error
local function complain(err)
  if err.code ~= client.CANCELLED then
    say(words.error(err), vim.log.levels.ERROR)
  end
end

--- Whether the session has an id to be spoken of by; says so where it has none.
---@param session headcount.Session
---@return boolean
local function has_id(session)
  if not session.sessionId then
    local log = session.launch and session.launch.logPath
    local hint = not session.process and log and '; its log: ' .. log or ''
    say('this session has no id' .. hint, vim.log.levels.WARN)
    return false
  end
  return true
end

--- What names the session to the server: its process, before its agent has given it an id.
---@param session headcount.Session
---@return table
local function named(session)
  local pid = not session.sessionId and session.process and session.process.pid or nil
  return { sessionId = session.sessionId, pid = pid, agent = session.agent }
end

--- Looks anew.
function M.refresh()
  roster.refresh(function(err)
    if err then
      complain(err)
    end
  end)
end

---@param session headcount.Session
function M.peek(session)
  if has_id(session) then
    pages.open('transcript', session)
  end
end

---@param session headcount.Session
function M.explain(session)
  if session.process or has_id(session) then
    pages.open('evidence', session)
  end
end

---@param session headcount.Session
function M.copy_id(session)
  if has_id(session) then
    vim.fn.setreg('"', session.sessionId)
    if vim.fn.has('clipboard') == 1 then
      vim.fn.setreg('+', session.sessionId)
    end
    say('copied ' .. session.sessionId)
  end
end

---@param session headcount.Session
local function stop_now(session)
  client.request('session.stop', named(session), function(err, result)
    if err then
      return complain(err)
    elseif #result.survivors > 0 then
      local pids = vim.tbl_map(function(it)
        return tostring(it.pid)
      end, result.survivors)
      say('these processes still live: ' .. table.concat(pids, ', '), vim.log.levels.WARN)
    elseif result.outcome == 'already_stopped' then
      say('no live process owned this session any more')
    else
      say('stopped: ' .. words.title(session))
    end
  end)
end

--- Ends the process that owns the session.
---@param session headcount.Session
---@param is_sure boolean|nil whether not to ask
function M.stop(session, is_sure)
  if is_sure then
    return stop_now(session)
  end
  local agent = client.agent_name(session.agent)
  local question = ('Stop %s, with everything it started: %s?'):format(agent, words.title(session))
  picker.confirm(question, 'Stop', function()
    stop_now(session)
  end)
end

--- What a session is called that somebody owns, whether or not it is known who.
local ALIVE = { running = true, waiting = true, idle = true }

--- Opens a terminal that runs the command.
---@param resume headcount.ResumeCommand
---@param cwd string|nil
local function in_terminal(resume, cwd)
  vim.cmd('botright new')
  local options = { cwd = resume.cwd or cwd }
  if vim.fn.has('nvim-0.11') == 1 then
    options.term = true
    vim.fn.jobstart(resume.command, options)
  else
    vim.fn.termopen(resume.command, options)
  end
  vim.cmd('startinsert')
end

--- Asks for a prompt where there is none, and says what became of the request.
---@param prompt string|nil
---@param label string
---@param send fun(prompt: string)
local function with_prompt(prompt, label, send)
  if prompt and prompt ~= '' then
    return send(prompt)
  end
  vim.ui.input({ prompt = label }, function(text)
    if text and vim.trim(text) ~= '' then
      send(text)
    end
  end)
end

---@param method 'session.launch'|'session.resume'
---@param params table
---@return fun() cancel
local function drive(method, params)
  say(method == 'session.launch' and 'launching …' or 'resuming …')
  return client.request(method, params, function(err, result)
    if err then
      return complain(err)
    end
    local launch = result.launch
    local agent = client.agent_name(params.agent)
    if launch.sessionId then
      say(('%s is at work: %s'):format(agent, launch.sessionId))
    else
      local where = launch.pid and (', pid %d,'):format(launch.pid) or ''
      say(('%s was started%s and has not told its session yet'):format(agent, where))
    end
  end)
end

--- Goes on with a session: with a prompt detached, without one in a terminal where the server says how.
---@param session headcount.Session
---@param prompt string|nil
function M.resume(session, prompt)
  if not has_id(session) then
    return
  end
  local function send(text)
    drive('session.resume', vim.tbl_extend('error', { prompt = text }, named(session)))
  end
  if prompt and prompt ~= '' then
    return send(prompt)
  end
  client.look('session.status', named(session), function(err, status)
    if err then
      complain(err)
    elseif status.session.process then
      say('a live process owns this session: resuming it would make two', vim.log.levels.WARN)
    elseif status.resume and ALIVE[status.session.status] then
      say('it is alive, in which process nothing says: resuming it would make two', vim.log.levels.WARN)
    elseif status.resume then
      in_terminal(status.resume, status.session.cwd)
    else
      with_prompt(nil, 'Go on with: ', send)
    end
  end)
end

--- Goes on with a session, detached.
---@param session headcount.Session
function M.continue(session)
  if has_id(session) then
    with_prompt(nil, 'Go on with: ', function(prompt)
      M.resume(session, prompt)
    end)
  end
end

--- Starts an agent in Neovim's directory, detached; asks for what is not given.
---@param agent string|nil
---@param prompt string|nil
function M.launch(agent, prompt)
  local function with_agent(chosen)
    if chosen then
      with_prompt(prompt, ('Prompt for %s: '):format(client.agent_name(chosen)), function(text)
        drive('session.launch', { agent = chosen, prompt = text, cwd = vim.fn.getcwd() })
      end)
    end
  end
  client.start(function(err)
    if err then
      complain(err)
    elseif agent then
      with_agent(agent)
    else
      picker.agent(with_agent)
    end
  end)
end

return M
