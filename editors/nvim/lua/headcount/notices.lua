--- Which changes are worth a message; each is told once.

local client = require('headcount.client')
local config = require('headcount.config')
local roster = require('headcount.roster')
local screen = require('headcount.screen')
local words = require('headcount.words')

local M = {}

---@alias headcount.Topic 'waiting'|'failed'

---@class headcount.Notice
---@field topic headcount.Topic
---@field session headcount.Session

---@type table<string, true> what was told: a session that comes and goes and comes again is one
local told = {}

--- What a step is about, or nil where nobody needs to know.
---@param step headcount.Step
---@return headcount.Topic|nil
function M.topic(step)
  local before, after = step.before, step.after
  -- Subagents answer to their parents, not to a person.
  if not after or after.kind == 'subagent' then
    return nil
  end
  if not before then
    -- What starts with a question, a login say, needs somebody; what is over when it is first seen is old.
    return step.is_born and after.status == 'waiting' and 'waiting' or nil
  end
  if before.status == after.status then
    return nil
  end
  return (after.status == 'waiting' or after.status == 'failed') and after.status or nil
end

---@param notice headcount.Notice
---@return string
local function text_of_one(notice)
  local session = notice.session
  local predicate = notice.topic == 'failed' and 'failed' or words.need_of(session)
  local folder = session.cwd and screen.clean(session.cwd:match('[^/]+/*$') or session.cwd)
  local place = folder and (' in %s'):format(folder) or ''
  local agent = client.agent_name(session.agent)
  return ('%s %s%s: %s'):format(agent, predicate, place, words.title(session))
end

--- One message for all that happened at once: several would stop the user until a key is pressed.
---@param notices headcount.Notice[]
---@return string text, integer level
function M.text(notices)
  local count = { waiting = 0, failed = 0 }
  for _, notice in ipairs(notices) do
    count[notice.topic] = count[notice.topic] + 1
  end
  local level = count.failed > 0 and vim.log.levels.ERROR or vim.log.levels.WARN
  if #notices == 1 then
    return text_of_one(notices[1]), level
  end
  local parts = {}
  if count.waiting > 0 then
    table.insert(parts, words.need(count.waiting))
  end
  if count.failed > 0 then
    table.insert(parts, count.failed .. ' failed')
  end
  return 'Headcount: ' .. table.concat(parts, ', '), level
end

--- Says what nobody asked for: on one line of the screen, so that it never stops the user.
---@param text string
---@param level integer
function M.tell(text, level)
  vim.notify(screen.fit(text, math.max(vim.v.echospace, 1)), level, { title = 'Headcount' })
end

---@param steps headcount.Step[]
local function announce(steps)
  local notices = {}
  for _, step in ipairs(steps) do
    local topic = M.topic(step)
    if topic and config.current.notify[topic] then
      local session = step.after
      local id =
        table.concat({ roster.key(session), topic, session.reason, session.updatedAt or '' }, ' ')
      if not told[id] then
        told[id] = true
        table.insert(notices, { topic = topic, session = session })
      end
    end
  end
  if #notices > 0 then
    M.tell(M.text(notices))
  end
end

--- Tells from now on.
function M.begin()
  roster.on_change(announce)
end

return M
