--- What can be done with a session: the list's keys and the subcommands both end here.

local client = require('headcount.client')
local pages = require('headcount.pages')
local picker = require('headcount.picker')
local roster = require('headcount.roster')
local screen = require('headcount.screen')
local window = require('headcount.window')
local words = require('headcount.words')

local M = {}

--- The server's error where somebody else claims the directory.
local DIRECTORY_LOCKED = 1004

--- The last prompt that came to nothing: nobody types it twice.
---@type string|nil
local refused_prompt = nil

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

--- Whether nothing is left to stop: without a process it may still live in a service of its agent's.
---@param session headcount.Session
---@return boolean
function M.is_over(session)
  return not session.process and (session.status == 'stopped' or session.status == 'failed')
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

--- Goes to where the session works, in a tab page of its own, with that for its directory.
---@param session headcount.Session
function M.directory(session)
  local cwd = session.cwd
  if not cwd then
    return say('where this session works is not known', vim.log.levels.WARN)
  elseif vim.fn.isdirectory(cwd) == 0 then
    return say(('its directory is gone: %s'):format(screen.clean(cwd)), vim.log.levels.WARN)
  end
  vim.cmd('tabnew')
  local is_there, trouble = pcall(vim.cmd, 'tcd ' .. vim.fn.fnameescape(cwd))
  if not is_there then
    vim.cmd('tabclose')
    say(words.vim_error(trouble), vim.log.levels.ERROR)
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

--- What is asked before it ends: an agent, or a turn in a service that goes on.
---@param session headcount.Session
---@return string
local function question(session)
  local text = session.process and 'Stop %s, with everything it started: %s?'
    or 'End the turn of %s, whose service goes on: %s?'
  return text:format(client.agent_name(session.agent), words.title(session))
end

--- Ends the process that owns the session, or its turn in a service.
---@param session headcount.Session
---@param is_sure boolean|nil whether not to ask
function M.stop(session, is_sure)
  if M.is_over(session) then
    return say('no live process owns this session')
  elseif is_sure then
    return stop_now(session)
  end
  picker.confirm(question(session), 'Stop', function()
    stop_now(session)
  end)
end

--- What a session is called that somebody owns, whether or not it is known who.
local ALIVE = { running = true, waiting = true, idle = true }

--- Why the command cannot be run in a terminal here, or nil.
---@param command string[]
---@param cwd string|nil
---@return string|nil
local function obstacle(command, cwd)
  if cwd and vim.fn.isdirectory(cwd) == 0 then
    return ('its directory is gone: %s'):format(screen.clean(cwd))
  elseif vim.fn.executable(command[1]) == 0 then
    return ('`%s` is not on the PATH of Neovim'):format(screen.clean(command[1]))
  end
end

--- Opens a terminal that runs the command.
---@param resume headcount.ResumeCommand
---@param cwd string|nil
local function in_terminal(resume, cwd)
  local options = { cwd = resume.cwd or cwd }
  local why = obstacle(resume.command, options.cwd)
  if why then
    return say('the session cannot be resumed: ' .. why, vim.log.levels.ERROR)
  end
  local has_split = window.split()
  vim.cmd('enew')
  local is_started, trouble
  if vim.fn.has('nvim-0.11') == 1 then
    options.term = true
    is_started, trouble = pcall(vim.fn.jobstart, resume.command, options)
  else
    is_started, trouble = pcall(vim.fn.termopen, resume.command, options)
  end
  if is_started then
    return vim.cmd('startinsert')
  end
  vim.cmd(has_split and 'bwipeout!' or 'buffer #')
  say('the session cannot be resumed: ' .. words.vim_error(trouble), vim.log.levels.ERROR)
end

--- Asks for a prompt where there is none.
---@param prompt string|nil
---@param label string
---@param default string|nil
---@param send fun(prompt: string)
local function with_prompt(prompt, label, default, send)
  if prompt and prompt ~= '' then
    return send(prompt)
  end
  vim.ui.input({ prompt = label, default = default }, function(text)
    if text and vim.trim(text) ~= '' then
      send(text)
    end
  end)
end

---@param params table
---@param launch headcount.Launched
local function tell_launched(params, launch)
  local agent = client.agent_name(params.agent)
  if launch.sessionId then
    say(('%s is at work: %s'):format(agent, launch.sessionId))
  else
    local where = launch.pid and (', pid %d,'):format(launch.pid) or ''
    say(('%s was started%s and has not told its session yet'):format(agent, where))
  end
end

--- Has an agent started, and says what became of it; where somebody else claims the directory, asks whether to go on.
---@param method 'session.launch'|'session.resume'
---@param params table
local function drive(method, params)
  say(method == 'session.launch' and 'launching …' or 'resuming …')
  client.request(method, params, function(err, result)
    if not err then
      refused_prompt = nil
      return tell_launched(params, result.launch)
    end
    refused_prompt = params.prompt
    if err.code ~= DIRECTORY_LOCKED or params.force then
      return complain(err)
    end
    local yes = method == 'session.launch' and 'Launch anyway' or 'Resume anyway'
    picker.confirm(words.error(err), yes, function()
      drive(method, vim.tbl_extend('force', params, { force = true }))
    end)
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
      local warning = 'it is alive, in which process nothing says: resuming it would make two'
      say(warning, vim.log.levels.WARN)
    elseif status.resume then
      in_terminal(status.resume, status.session.cwd)
    else
      with_prompt(nil, 'Go on with: ', refused_prompt, send)
    end
  end)
end

--- Goes on with a session, detached.
---@param session headcount.Session
function M.continue(session)
  if has_id(session) then
    with_prompt(nil, 'Go on with: ', refused_prompt, function(prompt)
      M.resume(session, prompt)
    end)
  end
end

--- Starts an agent in Neovim's directory, detached; asks for what is not given.
---@param agent string|nil
---@param prompt string|nil
---@param is_sure boolean|nil whether to go on where somebody else claims the directory
function M.launch(agent, prompt, is_sure)
  local function with_agent(chosen)
    if chosen then
      local cwd = vim.fn.getcwd()
      local place = screen.clean(vim.fn.fnamemodify(cwd, ':~'))
      local label = ('Prompt for %s in %s: '):format(client.agent_name(chosen), place)
      with_prompt(prompt, label, refused_prompt, function(text)
        local order = { agent = chosen, prompt = text, cwd = cwd }
        order.force = is_sure or nil
        drive('session.launch', order)
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
