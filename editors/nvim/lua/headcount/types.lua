--- The wire types. Generated from schema/openrpc.json by scripts/types.lua; not edited by hand.
---@meta

--- An absolute path.
---@alias headcount.AbsPath string

--- What is always true of one agent, as far as headcount can see.
---@class headcount.AgentCard
---@field binaries string[] The programs that start it, in order of preference.
---@field blindSpots string What cannot be seen; several are set apart by `; `.
---@field id headcount.AgentId The id of the adapter.
---@field liveSignal string How a live session is told from a dead one.
---@field name string The agent's name, as people write it.
---@field seenVersion string The newest version whose records were seen.

--- The id of an adapter: `claude-code`, `codex`, …
---@alias headcount.AgentId string

--- What one adapter contributed to a result.
---@class headcount.AgentReport
---@field agent headcount.AgentId The id of the adapter.
---@field elapsedMs integer How long it took, in milliseconds.
---@field outcome headcount.Outcome How its part ended.
---@field problems headcount.Problem[] What it could not read; at most 20.
---@field problemsOmitted integer|nil How many further problems are not listed.
---@field sessions integer How many sessions it contributed, before any filter but `includeSubagents`.

--- A process on the way from a session's owner to the first process of the machine.
---@class headcount.Ancestor
---@field name string The kernel's name of the process, at most 15 bytes; programs may set it.
---@field pid headcount.Pid The process id.

--- How many requests took at most so long.
---@class headcount.Bucket
---@field count integer How many.
---@field upToMs integer The bound, in milliseconds, included.

--- How often a method was called, and how long it took.
---@class headcount.Calls
---@field answered integer Requests answered, with a result or an error.
---@field cancelled integer Requests that were dropped before their answer, cancelled or with their client; not among the answered.
---@field failed integer Of these, the ones answered with an error.
---@field latency headcount.Latency How long the answered took.

--- A session that a prefix or an id may mean: what tells it from the others for who chooses.
---@class headcount.Candidate
---@field agent headcount.AgentId The agent; the same id may be known to several.
---@field cwd headcount.AbsPath|nil Where it works, as far as that is known.
---@field sessionId headcount.SessionId The whole id.
---@field title string|nil The agent's own title of it, where it has one.

--- What the server can do, where LSP has room for it.
---@class headcount.Capabilities
---@field experimental headcount.Experimental Capabilities outside LSP.

--- How far a status can be trusted.
---@alias headcount.Certainty 'inferred'|'asserted'

--- One session that is not as it was.
---@class headcount.Change
---@field kind headcount.ChangeKind What became of it.
---@field session headcount.Session The session as it is now.

--- What became of a session.
---@alias headcount.ChangeKind 'added'|'changed'|'removed'

--- What one `session.changed` notification carries.
---@class headcount.Changed
---@field changes headcount.Change[] The sessions that are not as they were, in the order of `session.list`.
---@field observedAt headcount.Timestamp The instant that the changes speak of.
---@field problems headcount.Problem[]|nil What keeps changes from being seen, or the filter's directory from being followed, and what is wrong with the user's
---@field seq integer Counts the notifications of the subscription, from 1. The first carries every session, as added.

--- Who the client is.
---@class headcount.ClientInfo
---@field name string The client's name.
---@field version string|nil The client's version.

--- A state that should not be.
---@alias headcount.Conflict 'two_owners'

--- The parameters of `rpc.discover`: none.
---@alias headcount.DiscoverParams table

--- What comes with an error, as its `data`.
---@class headcount.ErrorWithAmbiguity
---@field candidates headcount.Candidate[] The sessions to choose from.
---@field candidatesOmitted integer|nil How many more there are, where they are not all listed.
---@field hint string|nil What to do next, where that can be said.
---@field kind string The kind of error, for machines.
---@field retryable boolean Whether the same request may succeed later without any change to it.

--- What comes with an error, as its `data`.
---@class headcount.ErrorWithClaimed
---@field directory headcount.AbsPath The directory that is claimed.
---@field hint string|nil What to do next, where that can be said.
---@field holder headcount.Holder Who claims it.
---@field kind string The kind of error, for machines.
---@field retryable boolean Whether the same request may succeed later without any change to it.

--- What comes with an error, as its `data`.
---@class headcount.ErrorWithKnownAgents
---@field hint string|nil What to do next, where that can be said.
---@field kind string The kind of error, for machines.
---@field known headcount.AgentId[] The ids of all adapters.
---@field retryable boolean Whether the same request may succeed later without any change to it.

--- What comes with an error, as its `data`.
---@class headcount.ErrorWithLaunchFailure
---@field exitCode integer|nil The exit code; 128 + n where signal n ended it.
---@field hint string|nil What to do next, where that can be said.
---@field kind string The kind of error, for machines.
---@field output string The last 2 KiB that the agent said.
---@field retryable boolean Whether the same request may succeed later without any change to it.
---@field stage headcount.Stage What it failed at.

--- What comes with an error, as its `data`.
---@class headcount.ErrorWithNoDetails
---@field hint string|nil What to do next, where that can be said.
---@field kind string The kind of error, for machines.
---@field retryable boolean Whether the same request may succeed later without any change to it.

--- What comes with an error, as its `data`.
---@class headcount.ErrorWithOwned
---@field hint string|nil What to do next, where that can be said.
---@field kind string The kind of error, for machines.
---@field process headcount.Process|nil The live process, where it is a single one that is known.
---@field retryable boolean Whether the same request may succeed later without any change to it.

--- One step of the chain that led to a status; never transcript text.
---@class headcount.Evidence
---@field observedAt headcount.Timestamp When it was seen.
---@field says string What it says.
---@field source headcount.Source Where it was seen.

--- Capabilities outside LSP.
---@class headcount.Experimental
---@field headcount headcount.HeadcountCapabilities What headcount can do.

--- Which sessions a request is about; members that are absent do not filter.
---@class headcount.Filter
---@field agents headcount.AgentId[]|nil Only these agents; adapters of others are not touched.
---@field cwd headcount.AbsPath|nil Only sessions that work in exactly this directory.
---@field group string|nil Only sessions that were launched in this group.
---@field includeSubagents boolean|nil Whether subagents are listed too.
---@field query string|nil Only sessions whose id, title, prompt, directory, branch or label holds this text, whatever its case.
---@field status headcount.Status[]|nil Only sessions in one of these states.
---@field under headcount.AbsPath|nil Only sessions that work in this directory or below it.
---@field updatedSince headcount.Timestamp|nil Only sessions with activity at or after this instant.

--- A launch that is forgotten.
---@class headcount.Forgotten
---@field agent headcount.AgentId The id of the adapter.
---@field launchId string The id of the launch.
---@field reason headcount.PruneReason Why.
---@field sessionId headcount.SessionId|nil The agent's own id of the session.

--- A timer on a directory.
---@class headcount.Fuse
---@field directory headcount.AbsPath The directory, without symbolic links where it exists.
---@field expiresAt headcount.Timestamp When it runs out.
---@field label string|nil What it is for.
---@field onExpire headcount.OnExpire What happens then.
---@field sessionId headcount.SessionId|nil The session it is about.

--- The parameters of `fuse.cancel`.
---@class headcount.FuseCancelParams
---@field directory headcount.AbsPath The directory.

--- The result of `fuse.cancel`.
---@class headcount.FuseCancelResult
---@field cancelled boolean Whether there was a fuse.

--- What a webhook and a `fuse.expired` notification carry.
---@class headcount.FuseExpired
---@field firedAt headcount.Timestamp When it was fired.
---@field fuse headcount.Fuse The fuse.
---@field late boolean Whether nobody was there to fire it in time.

--- The parameters of `fuse.extend`.
---@class headcount.FuseExtendParams
---@field directory headcount.AbsPath The directory.
---@field ttlMs integer After how long, from now, the fuse runs out.

--- The parameters of `fuse.list`: none.
---@alias headcount.FuseListParams table

--- The result of `fuse.list`.
---@class headcount.FuseListResult
---@field fuses headcount.Fuse[] The fuses that have not been fired, by directory. One that has run out is fired by the next server that runs.

--- The result of `fuse.set` and `fuse.extend`.
---@class headcount.FuseResult
---@field fuse headcount.Fuse The fuse.

--- The parameters of `fuse.set`.
---@class headcount.FuseSetParams
---@field directory headcount.AbsPath The directory; it must exist.
---@field label string|nil What it is for.
---@field onExpire headcount.OnExpire What happens then; at least one member.
---@field sessionId headcount.SessionId|nil The session it is about.
---@field ttlMs integer After how long the fuse runs out.

--- What headcount can do.
---@class headcount.HeadcountCapabilities
---@field agents headcount.AgentCard[] The agents that it knows.
---@field methods string[] The methods that it serves.

--- Who stands in the way, and for how long: what 1004 says of a claim.
---@class headcount.Holder
---@field by string Who holds it.
---@field expiresAt headcount.Timestamp|nil When the claim runs out; absent where it does not.
---@field kind headcount.LockKind Who made the claim, which says what ends it.
---@field pid headcount.Pid|nil The process whose life the claim is bound to.
---@field reason string|nil Why it was claimed.
---@field sessionId headcount.SessionId|nil The session that was launched.
---@field since headcount.Timestamp Since when.

--- What may be asked for beyond the session itself.
---@alias headcount.Include 'usage'

--- The parameters of `initialize`; members not named here are ignored, here and only here.
---@class headcount.InitializeParams
---@field clientInfo headcount.ClientInfo|nil Who the client is.
---@field initializationOptions headcount.Settings|nil Settings of this connection, over those of the user; the last that came hold.
---@field processId integer|nil The client's process; the server exits when it is gone. Null where there is none, or none any more.

--- The result of `initialize`.
---@class headcount.InitializeResult
---@field capabilities headcount.Capabilities What the server can do.
---@field protocolVersion integer The version of the protocol.
---@field serverInfo headcount.ServerInfo Who the server is.

--- How long requests took, from when they were begun to their answer.
---@class headcount.Latency
---@field buckets headcount.Bucket[] How many took at most so long; each counts those of the ones before it, too.
---@field longestMs number The longest, in milliseconds.
---@field totalMs number All together, in milliseconds.

--- What headcount knows of a session because headcount launched it.
---@class headcount.Launch
---@field exitCode integer|nil The exit code, once the process has ended; 128 + n where signal n ended it.
---@field group string|nil The group that the launcher put it in.
---@field hookFailure string|nil Which of the launcher's own programs, `onCreate` or `onComplete`, did not do its work, and how.
---@field label string|nil The label that the launcher gave.
---@field launchId string The id of the launch, given by headcount.
---@field launchedAt headcount.Timestamp When it was launched.
---@field logPath headcount.AbsPath|nil Where the agent's output is kept; absent where the agent's own service runs the session.
---@field model string|nil The model that was asked for.
---@field prompt string The prompt it was launched with, at most 500 characters of it.
---@field spec string|nil The specification that the launcher named.

--- Launches in the ledger.
---@class headcount.LaunchCounts
---@field active integer Launches whose process lives, or may: those of another machine or container, and those that an agent's own
---@field failed integer Launches that ended with another exit code, or did not start.
---@field lost integer Launches whose process is gone, and whose end nobody saw; and those that a service may have begun, and did not
---@field succeeded integer Launches that ended with exit code 0.

--- The parameters of `session.launch`.
---@class headcount.LaunchParams
---@field agent headcount.AgentId The adapter of the agent to start.
---@field args string[]|nil Arguments to pass to the agent as they are, before the prompt.
---@field cwd headcount.AbsPath Where it works; an existing directory.
---@field env table|nil Variables to set on top of the server's own environment.
---@field force boolean|nil Whether to go on, and to claim the directory too, where somebody else claims it.
---@field group string|nil The group of launches that this one belongs to.
---@field label string|nil A name for people.
---@field lock boolean|nil Whether to claim the directory for as long as the agent runs. Without a claim of its own it is not
---@field model string|nil The model, as the agent names it; the agent's own choice where absent.
---@field onComplete string[]|nil A program and its arguments, run without a shell once the agent has ended.
---@field onCreate string[]|nil A program and its arguments, run without a shell once the session's id is known.
---@field permissions headcount.Permissions|nil What the agent may do without asking.
---@field prompt string What the agent is asked to do.
---@field spec string|nil The specification that the prompt follows.
---@field timeoutMs integer|nil After how long the agent is stopped; never where absent.

--- The result of `session.launch` and `session.resume`.
---@class headcount.LaunchResult
---@field agents headcount.AgentReport[] What each adapter contributed.
---@field complete boolean True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
---@field launch headcount.Launched How it was started.
---@field session headcount.Session|nil The session; absent where the agent has not told its id in time.

--- How an agent was started.
---@class headcount.Launched
---@field command string[]|nil The program and its arguments, a prompt among them cut; absent where none was started.
---@field cwd headcount.AbsPath Where it works.
---@field launchId string The id of the launch, given by headcount.
---@field logPath headcount.AbsPath|nil Where its output is kept; absent where the agent's own service runs the session.
---@field loginPath string|nil The login shell's PATH, where the program is only on that: the agent was given it behind the server's own.
---@field pid headcount.Pid|nil The agent's process; absent where the agent's own service runs the session.
---@field sessionId headcount.SessionId|nil The agent's own id of the session; absent where it has not told it in time.

--- The parameters of `session.list`.
---@class headcount.ListParams
---@field agents headcount.AgentId[]|nil Only these agents; adapters of others are not touched.
---@field cursor string|nil Where the page begins: the `nextCursor` of the page before, with the same filter.
---@field cwd headcount.AbsPath|nil Only sessions that work in exactly this directory.
---@field deadlineMs integer|nil How long each adapter may take; 5000 where absent.
---@field group string|nil Only sessions that were launched in this group.
---@field include headcount.Include[]|nil What to add to each session.
---@field includeSubagents boolean|nil Whether subagents are listed too.
---@field limit integer|nil How many sessions a page holds; 100 where absent.
---@field query string|nil Only sessions whose id, title, prompt, directory, branch or label holds this text, whatever its case.
---@field status headcount.Status[]|nil Only sessions in one of these states.
---@field under headcount.AbsPath|nil Only sessions that work in this directory or below it.
---@field updatedSince headcount.Timestamp|nil Only sessions with activity at or after this instant.

--- The result of `session.list`.
---@class headcount.ListResult
---@field agents headcount.AgentReport[] What each adapter contributed.
---@field complete boolean True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
---@field nextCursor string|nil Where the next page begins; absent at the end.
---@field observedAt headcount.Timestamp The instant that the result speaks of.
---@field problems headcount.Problem[]|nil What headcount could not read: its settings, its ledger of launches, the links of the filter's directory.
---@field sessions headcount.Session[] One page: `waiting`, `running`, `idle`, then the rest; in each the newest activity first.
---@field total integer How many sessions the filter lets through, over all pages.

--- A claim on a directory.
---@class headcount.Lock
---@field by string Who holds it: the name given when it was acquired, or the agent that was launched.
---@field directory headcount.AbsPath The directory, without symbolic links.
---@field expiresAt headcount.Timestamp|nil When the claim runs out; absent where it does not.
---@field kind headcount.LockKind Who made the claim.
---@field pid headcount.Pid|nil The process whose life the claim is bound to.
---@field reason string|nil Why it was claimed.
---@field sessionId headcount.SessionId|nil The session that was launched.
---@field since headcount.Timestamp Since when.

--- The parameters of `lock.acquire`.
---@class headcount.LockAcquireParams
---@field by string Who claims it, as others shall read it.
---@field directory headcount.AbsPath The directory; it must exist.
---@field reason string|nil Why.
---@field ttlMs integer|nil After how long the claim runs out; never where absent.

--- The result of `lock.acquire`.
---@class headcount.LockAcquireResult
---@field lock headcount.Lock The claim.

--- Who made a claim.
---@alias headcount.LockKind 'manual'|'launch'

--- The parameters of `lock.list`: none.
---@alias headcount.LockListParams table

--- The result of `lock.list`.
---@class headcount.LockListResult
---@field locks headcount.Lock[] The claims that hold now, by directory.

--- The parameters of `lock.release`.
---@class headcount.LockReleaseParams
---@field by string|nil Gives up the claim that was acquired under this name, and nobody else's: who is not sure whether an earlier request
---@field directory headcount.AbsPath The directory; it need not exist any more.
---@field force boolean|nil Whether every claim on it is given up, even that of a launch whose agent still lives; else the one that was

--- The result of `lock.release`.
---@class headcount.LockReleaseResult
---@field released boolean Whether there was such a claim on exactly this directory.

--- The parameters of `server.metrics`: none.
---@alias headcount.MetricsParams table

--- The result of `server.metrics`.
---@class headcount.MetricsResult
---@field fusesActive integer|nil Fuses that have not been fired; absent where the ledger cannot be read.
---@field launches headcount.LaunchCounts|nil Launches that are not yet forgotten; absent where the ledger cannot be read.
---@field locksActive integer|nil Claims on directories that hold now; absent where the ledger cannot be read.
---@field problems headcount.Problem[]|nil Why the ledger's counts are absent.
---@field requests table Requests by method, since this server started; `session.unwatch` is not counted.
---@field sessionsActive table Sessions by agent and status, as of the last `session.list`; empty before the first.
---@field uptimeMs integer How long the server has run, in milliseconds.

--- What happens when a fuse runs out: one thing or several, each at most once. Where the server was killed just then,
---@class headcount.OnExpire
---@field command string[]|nil A program and its arguments, run in the directory, without a shell. It outlives its server, which else
---@field event string|nil A name under which watching clients are told, by `fuse.expired`.
---@field webhook string|nil An `http://` or `https://` address that is sent the fuse as JSON by POST.

--- How an adapter's part of a request ended.
---@alias headcount.Outcome 'ok'|'absent'|'timed_out'|'failed'

--- The parameters of `session.peek`.
---@class headcount.PeekParams
---@field agent headcount.AgentId|nil The adapter to ask; all where absent.
---@field maxBytes integer|nil How many bytes of text at the most, over all turns; 65536 where absent.
---@field sessionId string The session's id, or a prefix of at least 4 characters that only it has.
---@field turns integer|nil How many turns at the most, the newest; 20 where absent.

--- The result of `session.peek`.
---@class headcount.PeekResult
---@field agents headcount.AgentReport[] What each adapter contributed to finding the session.
---@field complete boolean True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
---@field earlier boolean True where turns came before the first one shown.
---@field problems headcount.Problem[]|nil Why there are no turns, where the agent could not show them: then the result is not complete.
---@field turns headcount.Turn[] The newest turns, oldest of them first.

--- What an agent may do without asking.
---@alias headcount.Permissions 'agent'|'edit'|'full'

--- A process id. Alone it is not an identity: ids are reused.
---@alias headcount.Pid integer

--- A failure that was reported and survived.
---@class headcount.Problem
---@field kind headcount.ProblemKind What kind of failure it is.
---@field line integer|nil The line in the file, counted from 1.
---@field message string What failed, with the offending value.
---@field path headcount.AbsPath|nil The file or directory concerned.

--- What kind of failure a problem is.
---@alias headcount.ProblemKind 'unreadable'|'malformed'|'too_large'|'timed_out'|'panicked'|'unreachable'|'auth'|'protocol'|'limit'

--- A live process, by its identity.
---@class headcount.Process
---@field pid headcount.Pid The process id.
---@field startedAt headcount.Timestamp When the process started, by the kernel's clock: up to a second early, and the same whenever it is asked.

--- The parameters of `session.prune`.
---@class headcount.PruneParams
---@field dryRun boolean|nil Whether to only say what would be forgotten.
---@field olderThan headcount.Timestamp|nil Only launches that ended before this instant.

--- Why something is void.
---@alias headcount.PruneReason 'ended'|'process_gone'|'expired'

--- The result of `session.prune`.
---@class headcount.PruneResult
---@field agents headcount.AgentReport[] What the adapters contributed whose services were asked for the launches that they run; none where there are
---@field complete boolean True when no adapter failed or missed its deadline.
---@field dryRun boolean Whether nothing was changed.
---@field forgotten headcount.Forgotten[] The launches that are forgotten. The sessions themselves stay: they are their agents'.
---@field kept integer How many launches are kept.
---@field released headcount.ReleasedClaim[] The claims that are void.

--- The machine word under a status: why it is so.
---@alias headcount.Reason 'turn_in_progress'|'active_run'|'process_alive'|'permission'|'question'|'plan'|'input'|'login'|'suspended'|'turn_ended'|'never_prompted'|'completed'|'interrupted'|'killed'|'unknown_end'|'model_error'|'auth'|'exit_code'|'launch_error'|'adapter_failed'|'unreachable'|'unrecognised'|'contradiction'

--- A claim that is void.
---@class headcount.ReleasedClaim
---@field directory headcount.AbsPath The directory.
---@field holder string Who held it.
---@field reason headcount.PruneReason Why.

--- A command line for a person's terminal.
---@class headcount.ResumeCommand
---@field command string[] The program and its arguments; not quoted for any shell.
---@field cwd headcount.AbsPath|nil Where it has to be run: most agents find a session in its own directory alone.

--- The parameters of `session.resume`.
---@class headcount.ResumeParams
---@field agent headcount.AgentId|nil The adapter to ask; all where absent.
---@field args string[]|nil Arguments to pass to the agent as they are, before the prompt.
---@field env table|nil Variables to set on top of the server's own environment.
---@field force boolean|nil Whether to go on, and to claim the directory too, where somebody else claims it.
---@field group string|nil The group of launches that this one belongs to.
---@field label string|nil A name for people.
---@field lock boolean|nil Whether to claim the directory for as long as the agent runs. Without a claim of its own it is not
---@field model string|nil The model, as the agent names it; the agent's own choice where absent.
---@field onComplete string[]|nil A program and its arguments, run without a shell once the agent has ended.
---@field onCreate string[]|nil A program and its arguments, run without a shell once the session's id is known.
---@field permissions headcount.Permissions|nil What the agent may do without asking.
---@field prompt string What the agent is asked to do.
---@field sessionId string The session's id, or a prefix of at least 4 characters that only it has.
---@field spec string|nil The specification that the prompt follows.
---@field timeoutMs integer|nil After how long the agent is stopped; never where absent.

--- Who speaks in a turn.
---@alias headcount.Role 'user'|'assistant'|'tool'

--- Who the server is.
---@class headcount.ServerInfo
---@field name string Always `headcount`.
---@field version string The server's version.

--- One conversation with one agent. Absent members are not known.
---@class headcount.Session
---@field agent headcount.AgentId The id of the adapter.
---@field archived boolean|nil True where the agent has put the session away; absent otherwise.
---@field branch string|nil The git branch that the agent recorded last.
---@field certainty headcount.Certainty How far the status can be trusted.
---@field conflict headcount.Conflict|nil A state that should not be.
---@field createdAt headcount.Timestamp|nil When the first record was made.
---@field cwd headcount.AbsPath|nil Where the session works, from the agent's records.
---@field endedAt headcount.Timestamp|nil When the session ended, if that is known.
---@field evidence headcount.Evidence[]|nil The chain that led to the status; in `session.status` only.
---@field forkedFrom headcount.SessionId|nil The session whose history this one began with.
---@field host string|nil Which machine it is on, when not this one.
---@field kind headcount.SessionKind What kind of conversation it is.
---@field launch headcount.Launch|nil What headcount knows because it launched the session.
---@field model string|nil The last real model; never the name of a stand-in.
---@field parentSessionId headcount.SessionId|nil The session that started this one.
---@field process headcount.Process|nil The live owner; absent too where one of several processes owns the session and nothing says which.
---@field prompt string|nil The first human prompt, at most 500 characters; never a machine-made preamble.
---@field reason headcount.Reason Why the status is what it is.
---@field sessionId headcount.SessionId|nil The agent's own id of the session; absent for a live agent whose store shows no session yet,
---@field status headcount.Status What the session is doing.
---@field title string|nil The agent's own title of the session.
---@field updatedAt headcount.Timestamp|nil When the last activity was recorded.
---@field usage headcount.SessionUsage|nil Tokens and cost, where they were asked for.

--- A session's own id, as its agent writes it; never made up by us.
---@alias headcount.SessionId string

--- What kind of conversation a session is.
---@alias headcount.SessionKind 'main'|'subagent'|'background'

--- What a session has spent: its own calls, and apart from them those of its subagents.
---@class headcount.SessionUsage
---@field cacheReadTokens integer|nil Input tokens served from a cache; absent where the agent does not record it.
---@field cacheWriteTokens integer|nil Input tokens written to a cache; absent where the agent does not record it.
---@field costIsEstimate boolean|nil True where the cost is the agent's own estimate and not a bill.
---@field costUsd number|nil Cost in US dollars; absent where the agent does not record it.
---@field inputTokens integer Input tokens, without what was read from or written to a cache.
---@field outputTokens integer Output tokens as the agent counts them: with those spent on reasoning, but for OpenCode later than 1.2.
---@field reasoningTokens integer|nil Tokens spent on reasoning, most often a part of the output; absent where the agent does not record it.
---@field subagents headcount.Usage|nil The calls of this session's subagents, at whatever depth.

--- What holds where a request does not say.
---@class headcount.Settings
---@field deadlineMs integer|nil How long each adapter may take, in milliseconds; 5000 where absent. More is for stores on slow disks.
---@field withoutAgents headcount.AgentId[]|nil Agents that are looked at only where a request names them: because they are not used, or slow to answer.

--- A signal that was sent.
---@class headcount.Signalled
---@field pid headcount.Pid The process that it was sent to.
---@field signal string The signal, for example `SIGTERM`.

--- Where a piece of evidence comes from.
---@alias headcount.Source 'registry'|'lock'|'process'|'transcript'|'database'|'gateway'|'ledger'

--- What a launch failed at.
---@alias headcount.Stage 'spawn'|'exit'|'auth'|'trust'|'model'

--- What a session is doing, concluded once, from evidence.
---@alias headcount.Status 'waiting'|'running'|'idle'|'stopped'|'failed'|'unknown'

--- The parameters of `session.status`: `sessionId` or `pid`, not both.
---@class headcount.StatusParams
---@field agent headcount.AgentId|nil The adapter to ask; all where absent.
---@field pid headcount.Pid|nil The live process that owns the session: before its agent has given it an id, nothing else names it.
---@field sessionId string|nil The session's id, or a prefix of at least 4 characters that only it has.

--- The result of `session.status`.
---@class headcount.StatusResult
---@field agents headcount.AgentReport[] What each adapter contributed.
---@field ancestors headcount.Ancestor[] The owner's process and those above it, nearest first: a terminal whose shell is among them runs the session.
---@field complete boolean True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
---@field resume headcount.ResumeCommand|nil How a person goes on with it in a terminal; absent where the agent cannot, and for subagents.
---@field session headcount.Session The session, with `evidence` and `usage`.

--- How a stop ended.
---@alias headcount.StopOutcome 'stopped'|'already_stopped'

--- The parameters of `session.stop`.
---@class headcount.StopParams
---@field agent headcount.AgentId|nil The adapter to ask; all where absent.
---@field graceMs integer|nil How long the agent, or the turn in its service, may take to end by itself; 5000 where absent.
---@field pid headcount.Pid|nil The live process that owns the session: before its agent has given it an id, nothing else names it.
---@field sessionId string|nil The session's id, or a prefix of at least 4 characters that only it has.

--- The result of `session.stop`.
---@class headcount.StopResult
---@field agents headcount.AgentReport[] What each adapter contributed.
---@field complete boolean True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
---@field outcome headcount.StopOutcome How it ended.
---@field signals headcount.Signalled[] What was sent to whom, in order.
---@field survivors headcount.Process[] What of the agent still lives; of a session that nobody owned, what its agent had left at work.

--- The id of a subscription.
---@alias headcount.SubscriptionId integer|string

--- RFC 3339, UTC, with milliseconds.
---@alias headcount.Timestamp string

--- One thing said in a conversation.
---@class headcount.Turn
---@field at headcount.Timestamp|nil When it was recorded.
---@field role headcount.Role Who speaks.
---@field text string What is said; for a tool, what it was given or what it answered.
---@field tool string|nil The tool's name.
---@field truncated boolean|nil True where the text was cut to fit.

--- The parameters that end a subscription; an array of the id alone is accepted too.
---@class headcount.UnwatchParams
---@field subscription headcount.SubscriptionId The subscription's id, as it was given.

--- Tokens and cost; every model call is counted once.
---@class headcount.Usage
---@field cacheReadTokens integer|nil Input tokens served from a cache; absent where the agent does not record it.
---@field cacheWriteTokens integer|nil Input tokens written to a cache; absent where the agent does not record it.
---@field costIsEstimate boolean|nil True where the cost is the agent's own estimate and not a bill.
---@field costUsd number|nil Cost in US dollars; absent where the agent does not record it.
---@field inputTokens integer Input tokens, without what was read from or written to a cache.
---@field outputTokens integer Output tokens as the agent counts them: with those spent on reasoning, but for OpenCode later than 1.2.
---@field reasoningTokens integer|nil Tokens spent on reasoning, most often a part of the output; absent where the agent does not record it.

--- The parameters of `session.wait`: `sessionIds` or `filter`, not both.
---@class headcount.WaitParams
---@field filter headcount.Filter|nil Which sessions are meant.
---@field sessionIds string[]|nil The ids of the sessions, each whole or the beginning of one, of at least 4 characters; at most 1000. One that no
---@field timeoutMs integer How long to wait after the first look, in milliseconds, at most a day: 1 asks for what is so now.
---@field until headcount.Status[] The states that are waited for; at least one.

--- The result of `session.wait`.
---@class headcount.WaitResult
---@field agents headcount.AgentReport[] What each adapter contributed when it was asked last.
---@field complete boolean True when no adapter had failed or missed its deadline when it was asked last, and the processes of this machine
---@field problems headcount.Problem[]|nil What keeps changes from being seen, or the filter's directory from being followed, and what is wrong with the user's
---@field sessions headcount.Session[] The sessions that have one of the states; none where the time ran out first.
---@field timedOut boolean Whether the time ran out first.
