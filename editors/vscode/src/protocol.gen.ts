// Generated from schema/openrpc.json by scripts/generate-protocol.mjs. Do not edit.

/** The parameters of `initialize`; members not named here are ignored, here and only here. */
export interface InitializeParams {
  /** The client's process; the server exits when it is gone. Null where there is none, or none any more. */
  readonly processId?: number;
  /** Who the client is. */
  readonly clientInfo?: ClientInfo;
  /** Settings of this connection, over those of the user; the last that came hold. */
  readonly initializationOptions?: Settings;
}

/** Who the client is. */
export interface ClientInfo {
  /** The client's name. */
  readonly name: string;
  /** The client's version. */
  readonly version?: string;
}

/** What holds where a request does not say. */
export interface Settings {
  /** How long each adapter may take, in milliseconds; 5000 where absent. More is for stores on slow disks. */
  readonly deadlineMs?: number;
  /** Agents that are looked at only where a request names them: because they are not used, or slow to answer. */
  readonly withoutAgents?: readonly AgentId[];
}

/** The id of an adapter: `claude-code`, `codex`, … */
export type AgentId = string;

/** The result of `initialize`. */
export interface InitializeResult {
  /** Who the server is. */
  readonly serverInfo: ServerInfo;
  /** The version of the protocol. */
  readonly protocolVersion: number;
  /** What the server can do. */
  readonly capabilities: Capabilities;
}

/** Who the server is. */
export interface ServerInfo {
  /** Always `headcount`. */
  readonly name: string;
  /** The server's version. */
  readonly version: string;
}

/** What the server can do, where LSP has room for it. */
export interface Capabilities {
  /** Capabilities outside LSP. */
  readonly experimental: Experimental;
}

/** Capabilities outside LSP. */
export interface Experimental {
  /** What headcount can do. */
  readonly headcount: HeadcountCapabilities;
}

/** What headcount can do. */
export interface HeadcountCapabilities {
  /** The methods that it serves. */
  readonly methods: readonly string[];
  /** The agents that it knows. */
  readonly agents: readonly AgentCard[];
}

/** What is always true of one agent, as far as headcount can see. */
export interface AgentCard {
  /** The id of the adapter. */
  readonly id: AgentId;
  /** The agent's name, as people write it. */
  readonly name: string;
  /** The programs that start it, in order of preference. */
  readonly binaries: readonly string[];
  /** The newest version whose records were seen. */
  readonly seenVersion: string;
  /** How a live session is told from a dead one. */
  readonly liveSignal: string;
  /** What cannot be seen; several are set apart by `; `. */
  readonly blindSpots: string;
}

/** The parameters of `rpc.discover`: none. */
export type DiscoverParams = Record<string, never>;

/** The parameters of `session.list`. */
export interface ListParams {
  /** Only these agents; adapters of others are not touched. */
  readonly agents?: readonly AgentId[];
  /** Only sessions in one of these states. */
  readonly status?: readonly Status[];
  /** Only sessions that work in exactly this directory. */
  readonly cwd?: AbsPath;
  /** Only sessions that work in this directory or below it. */
  readonly under?: AbsPath;
  /** Only sessions that were launched in this group. */
  readonly group?: string;
  /** Only sessions with activity at or after this instant. */
  readonly updatedSince?: Timestamp;
  /** Only sessions whose id, title, prompt, directory, branch or label holds this text, whatever its case. */
  readonly query?: string;
  /** Whether subagents are listed too. */
  readonly includeSubagents?: boolean;
  /** What to add to each session. */
  readonly include?: readonly Include[];
  /** How many sessions a page holds; 100 where absent. */
  readonly limit?: number;
  /** Where the page begins: the `nextCursor` of the page before, with the same filter. */
  readonly cursor?: string;
  /** How long each adapter may take; 5000 where absent. */
  readonly deadlineMs?: number;
}

/** What a session is doing, concluded once, from evidence. */
export type Status = "waiting" | "running" | "idle" | "stopped" | "failed" | "unknown";

/** An absolute path. */
export type AbsPath = string;

/** RFC 3339, UTC, with milliseconds. */
export type Timestamp = string;

/** What may be asked for beyond the session itself. */
export type Include = "usage";

/** The result of `session.list`. */
export interface ListResult {
  /** One page: `waiting`, `running`, `idle`, then the rest; in each the newest activity first. */
  readonly sessions: readonly Session[];
  /** How many sessions the filter lets through, over all pages. */
  readonly total: number;
  /** Where the next page begins; absent at the end. */
  readonly nextCursor?: string;
  /** True when no adapter failed or missed its deadline, and the processes of this machine could be seen. */
  readonly complete: boolean;
  /** What each adapter contributed. */
  readonly agents: readonly AgentReport[];
  /** What headcount could not read: its settings, its ledger of launches, the links of the filter's directory. */
  readonly problems?: readonly Problem[];
  /** The instant that the result speaks of. */
  readonly observedAt: Timestamp;
}

/** One conversation with one agent. Absent members are not known. */
export interface Session {
  /** The agent's own id of the session; absent for a live agent whose store shows no session yet, which is then known by its agent and process, and for a launch that ended before it told one, which is known by its `launch`. */
  readonly sessionId?: SessionId;
  /** The id of the adapter. */
  readonly agent: AgentId;
  /** What the session is doing. */
  readonly status: Status;
  /** Why the status is what it is. */
  readonly reason: Reason;
  /** How far the status can be trusted. */
  readonly certainty: Certainty;
  /** The agent's own title of the session. */
  readonly title?: string;
  /** The first human prompt, at most 500 characters; never a machine-made preamble. */
  readonly prompt?: string;
  /** Where the session works, from the agent's records. */
  readonly cwd?: AbsPath;
  /** The git branch that the agent recorded last. */
  readonly branch?: string;
  /** The last real model; never the name of a stand-in. */
  readonly model?: string;
  /** When the first record was made. */
  readonly createdAt?: Timestamp;
  /** When the last activity was recorded. */
  readonly updatedAt?: Timestamp;
  /** When the session ended, if that is known. */
  readonly endedAt?: Timestamp;
  /** The live owner; absent too where one of several processes owns the session and nothing says which. */
  readonly process?: Process;
  /** The session that started this one. */
  readonly parentSessionId?: SessionId;
  /** What kind of conversation it is. */
  readonly kind: SessionKind;
  /** The session whose history this one began with. */
  readonly forkedFrom?: SessionId;
  /** True where the agent has put the session away; absent otherwise. */
  readonly archived?: boolean;
  /** Tokens and cost, where they were asked for. */
  readonly usage?: SessionUsage;
  /** What headcount knows because it launched the session. */
  readonly launch?: Launch;
  /** A state that should not be. */
  readonly conflict?: Conflict;
  /** Which machine it is on, when not this one. */
  readonly host?: string;
  /** The chain that led to the status; in `session.status` only. */
  readonly evidence?: readonly Evidence[];
}

/** A session's own id, as its agent writes it; never made up by us. */
export type SessionId = string;

/** The machine word under a status: why it is so. */
export type Reason =
  | "turn_in_progress"
  | "active_run"
  | "process_alive"
  | "permission"
  | "question"
  | "plan"
  | "input"
  | "login"
  | "suspended"
  | "turn_ended"
  | "never_prompted"
  | "completed"
  | "interrupted"
  | "killed"
  | "unknown_end"
  | "model_error"
  | "auth"
  | "exit_code"
  | "launch_error"
  | "adapter_failed"
  | "unreachable"
  | "unrecognised"
  | "contradiction";

/** How far a status can be trusted. */
export type Certainty = "inferred" | "asserted";

/** A live process, by its identity. */
export interface Process {
  /** The process id. */
  readonly pid: Pid;
  /** When the process started, by the kernel's clock: up to a second early, and the same whenever it is asked. */
  readonly startedAt: Timestamp;
}

/** A process id. Alone it is not an identity: ids are reused. */
export type Pid = number;

/** What kind of conversation a session is. */
export type SessionKind = "main" | "subagent" | "background";

/** What a session has spent: its own calls, and apart from them those of its subagents. */
export interface SessionUsage {
  /** Input tokens, without what was read from or written to a cache. */
  readonly inputTokens: number;
  /** Output tokens as the agent counts them: with those spent on reasoning, but for OpenCode later than 1.2. */
  readonly outputTokens: number;
  /** Input tokens served from a cache; absent where the agent does not record it. */
  readonly cacheReadTokens?: number;
  /** Input tokens written to a cache; absent where the agent does not record it. */
  readonly cacheWriteTokens?: number;
  /** Tokens spent on reasoning, most often a part of the output; absent where the agent does not record it. */
  readonly reasoningTokens?: number;
  /** Cost in US dollars; absent where the agent does not record it. */
  readonly costUsd?: number;
  /** True where the cost is the agent's own estimate and not a bill. */
  readonly costIsEstimate?: boolean;
  /** The calls of this session's subagents, at whatever depth. */
  readonly subagents?: Usage;
}

/** Tokens and cost; every model call is counted once. */
export interface Usage {
  /** Input tokens, without what was read from or written to a cache. */
  readonly inputTokens: number;
  /** Output tokens as the agent counts them: with those spent on reasoning, but for OpenCode later than 1.2. */
  readonly outputTokens: number;
  /** Input tokens served from a cache; absent where the agent does not record it. */
  readonly cacheReadTokens?: number;
  /** Input tokens written to a cache; absent where the agent does not record it. */
  readonly cacheWriteTokens?: number;
  /** Tokens spent on reasoning, most often a part of the output; absent where the agent does not record it. */
  readonly reasoningTokens?: number;
  /** Cost in US dollars; absent where the agent does not record it. */
  readonly costUsd?: number;
  /** True where the cost is the agent's own estimate and not a bill. */
  readonly costIsEstimate?: boolean;
}

/** What headcount knows of a session because headcount launched it. */
export interface Launch {
  /** The id of the launch, given by headcount. */
  readonly launchId: string;
  /** When it was launched. */
  readonly launchedAt: Timestamp;
  /** The prompt it was launched with, at most 500 characters of it. */
  readonly prompt: string;
  /** The group that the launcher put it in. */
  readonly group?: string;
  /** The specification that the launcher named. */
  readonly spec?: string;
  /** The label that the launcher gave. */
  readonly label?: string;
  /** The model that was asked for. */
  readonly model?: string;
  /** The exit code, once the process has ended; 128 + n where signal n ended it. */
  readonly exitCode?: number;
  /** Which of the launcher's own programs, `onCreate` or `onComplete`, did not do its work, and how. */
  readonly hookFailure?: string;
  /** Where the agent's output is kept; absent where the agent's own service runs the session. */
  readonly logPath?: AbsPath;
}

/** A state that should not be. */
export type Conflict = "two_owners";

/** One step of the chain that led to a status; never transcript text. */
export interface Evidence {
  /** Where it was seen. */
  readonly source: Source;
  /** When it was seen. */
  readonly observedAt: Timestamp;
  /** What it says. */
  readonly says: string;
}

/** Where a piece of evidence comes from. */
export type Source = "registry" | "lock" | "process" | "transcript" | "database" | "gateway" | "ledger";

/** What one adapter contributed to a result. */
export interface AgentReport {
  /** The id of the adapter. */
  readonly agent: AgentId;
  /** How its part ended. */
  readonly outcome: Outcome;
  /** How many sessions it contributed, before any filter but `includeSubagents`. */
  readonly sessions: number;
  /** How long it took, in milliseconds. */
  readonly elapsedMs: number;
  /** What it could not read; at most 20. */
  readonly problems: readonly Problem[];
  /** How many further problems are not listed. */
  readonly problemsOmitted?: number;
}

/** How an adapter's part of a request ended. */
export type Outcome = "ok" | "absent" | "timed_out" | "failed";

/** A failure that was reported and survived. */
export interface Problem {
  /** What kind of failure it is. */
  readonly kind: ProblemKind;
  /** What failed, with the offending value. */
  readonly message: string;
  /** The file or directory concerned. */
  readonly path?: AbsPath;
  /** The line in the file, counted from 1. */
  readonly line?: number;
}

/** What kind of failure a problem is. */
export type ProblemKind =
  | "unreadable"
  | "malformed"
  | "too_large"
  | "timed_out"
  | "panicked"
  | "unreachable"
  | "auth"
  | "protocol"
  | "limit";

/** The parameters of `session.status`: `sessionId` or `pid`, not both. */
export interface StatusParams {
  /** The session's id, or a prefix of at least 4 characters that only it has. */
  readonly sessionId?: string;
  /** The live process that owns the session: before its agent has given it an id, nothing else names it. */
  readonly pid?: Pid;
  /** The adapter to ask; all where absent. */
  readonly agent?: AgentId;
}

/** The result of `session.status`. */
export interface StatusResult {
  /** The session, with `evidence` and `usage`. */
  readonly session: Session;
  /** How a person goes on with it in a terminal; absent where the agent cannot, and for subagents. */
  readonly resume?: ResumeCommand;
  /** The owner's process and those above it, nearest first: a terminal whose shell is among them runs the session. None without a live owner. */
  readonly ancestors: readonly Ancestor[];
  /** True when no adapter failed or missed its deadline, and the processes of this machine could be seen. */
  readonly complete: boolean;
  /** What each adapter contributed. */
  readonly agents: readonly AgentReport[];
}

/** A command line for a person's terminal. */
export interface ResumeCommand {
  /** The program and its arguments; not quoted for any shell. */
  readonly command: readonly string[];
  /** Where it has to be run: most agents find a session in its own directory alone. */
  readonly cwd?: AbsPath;
}

/** A process on the way from a session's owner to the first process of the machine. */
export interface Ancestor {
  /** The process id. */
  readonly pid: Pid;
  /** The kernel's name of the process, at most 15 bytes; programs may set it. */
  readonly name: string;
}

/** The parameters of `session.peek`. */
export interface PeekParams {
  /** The session's id, or a prefix of at least 4 characters that only it has. */
  readonly sessionId: string;
  /** The adapter to ask; all where absent. */
  readonly agent?: AgentId;
  /** How many turns at the most, the newest; 20 where absent. */
  readonly turns?: number;
  /** How many bytes of text at the most, over all turns; 65536 where absent. */
  readonly maxBytes?: number;
}

/** The result of `session.peek`. */
export interface PeekResult {
  /** The newest turns, oldest of them first. */
  readonly turns: readonly Turn[];
  /** True where turns came before the first one shown. */
  readonly earlier: boolean;
  /** True when no adapter failed or missed its deadline, and the processes of this machine could be seen. */
  readonly complete: boolean;
  /** What each adapter contributed to finding the session. */
  readonly agents: readonly AgentReport[];
  /** Why there are no turns, where the agent could not show them: then the result is not complete. */
  readonly problems?: readonly Problem[];
}

/** One thing said in a conversation. */
export interface Turn {
  /** Who speaks. */
  readonly role: Role;
  /** When it was recorded. */
  readonly at?: Timestamp;
  /** What is said; for a tool, what it was given or what it answered. */
  readonly text: string;
  /** The tool's name. */
  readonly tool?: string;
  /** True where the text was cut to fit. */
  readonly truncated?: boolean;
}

/** Who speaks in a turn. */
export type Role = "user" | "assistant" | "tool";

/** The parameters of `session.wait`: `sessionIds` or `filter`, not both. */
export interface WaitParams {
  /** The ids of the sessions, each whole or the beginning of one, of at least 4 characters; at most 1000. One that no session has is waited for; one that several have is the error `session_ambiguous`. */
  readonly sessionIds?: readonly string[];
  /** Which sessions are meant. */
  readonly filter?: Filter;
  /** The states that are waited for; at least one. */
  readonly until: readonly Status[];
  /** How long to wait after the first look, in milliseconds, at most a day: 1 asks for what is so now. */
  readonly timeoutMs: number;
}

/** Which sessions a request is about; members that are absent do not filter. */
export interface Filter {
  /** Only these agents; adapters of others are not touched. */
  readonly agents?: readonly AgentId[];
  /** Only sessions in one of these states. */
  readonly status?: readonly Status[];
  /** Only sessions that work in exactly this directory. */
  readonly cwd?: AbsPath;
  /** Only sessions that work in this directory or below it. */
  readonly under?: AbsPath;
  /** Only sessions that were launched in this group. */
  readonly group?: string;
  /** Only sessions with activity at or after this instant. */
  readonly updatedSince?: Timestamp;
  /** Only sessions whose id, title, prompt, directory, branch or label holds this text, whatever its case. */
  readonly query?: string;
  /** Whether subagents are listed too. */
  readonly includeSubagents?: boolean;
}

/** The result of `session.wait`. */
export interface WaitResult {
  /** The sessions that have one of the states; none where the time ran out first. */
  readonly sessions: readonly Session[];
  /** Whether the time ran out first. */
  readonly timedOut: boolean;
  /** True when no adapter had failed or missed its deadline when it was asked last, and the processes of this machine could be seen. */
  readonly complete: boolean;
  /** What each adapter contributed when it was asked last. */
  readonly agents: readonly AgentReport[];
  /** What keeps changes from being seen, or the filter's directory from being followed, and what is wrong with the user's settings. */
  readonly problems?: readonly Problem[];
}

/** The id of a subscription. */
export type SubscriptionId = number | string;

/** What one `session.changed` notification carries. */
export interface Changed {
  /** Counts the notifications of the subscription, from 1. The first carries every session, as added. */
  readonly seq: number;
  /** The instant that the changes speak of. */
  readonly observedAt: Timestamp;
  /** The sessions that are not as they were, in the order of `session.list`. */
  readonly changes: readonly Change[];
  /** What keeps changes from being seen, or the filter's directory from being followed, and what is wrong with the user's settings; absent while nothing is. How many expiries of fuses came faster than they could be told is said once. */
  readonly problems?: readonly Problem[];
}

/** One session that is not as it was. */
export interface Change {
  /** What became of it. */
  readonly kind: ChangeKind;
  /** The session as it is now. */
  readonly session: Session;
}

/** What became of a session. */
export type ChangeKind = "added" | "changed" | "removed";

/** What a webhook and a `fuse.expired` notification carry. */
export interface FuseExpired {
  /** The fuse. */
  readonly fuse: Fuse;
  /** When it was fired. */
  readonly firedAt: Timestamp;
  /** Whether nobody was there to fire it in time. */
  readonly late: boolean;
}

/** A timer on a directory. */
export interface Fuse {
  /** The directory, without symbolic links where it exists. */
  readonly directory: AbsPath;
  /** When it runs out. */
  readonly expiresAt: Timestamp;
  /** What it is for. */
  readonly label?: string;
  /** The session it is about. */
  readonly sessionId?: SessionId;
  /** What happens then. */
  readonly onExpire: OnExpire;
}

/** What happens when a fuse runs out: one thing or several, each at most once. Where the server was killed just then, nobody can tell whether it happened, and nobody does it again. */
export interface OnExpire {
  /** A program and its arguments, run in the directory, without a shell. It outlives its server, which else ends it after five minutes. */
  readonly command?: readonly string[];
  /** An `http://` or `https://` address that is sent the fuse as JSON by POST. */
  readonly webhook?: string;
  /** A name under which watching clients are told, by `fuse.expired`. */
  readonly event?: string;
}

/** The parameters that end a subscription; an array of the id alone is accepted too. */
export interface UnwatchParams {
  /** The subscription's id, as it was given. */
  readonly subscription: SubscriptionId;
}

/** The parameters of `session.launch`. */
export interface LaunchParams {
  /** The adapter of the agent to start. */
  readonly agent: AgentId;
  /** Where it works; an existing directory. */
  readonly cwd: AbsPath;
  /** What the agent is asked to do. */
  readonly prompt: string;
  /** The model, as the agent names it; the agent's own choice where absent. */
  readonly model?: string;
  /** A name for people. */
  readonly label?: string;
  /** The group of launches that this one belongs to. */
  readonly group?: string;
  /** The specification that the prompt follows. */
  readonly spec?: string;
  /** What the agent may do without asking. */
  readonly permissions?: Permissions;
  /** Variables to set on top of the server's own environment. */
  readonly env?: {
    readonly [name: string]: string;
  };
  /** Arguments to pass to the agent as they are, before the prompt. */
  readonly args?: readonly string[];
  /** Whether to claim the directory for as long as the agent runs. Without a claim of its own it is not kept out by those of others. A session in the agent's own service has no process whose life a claim could have: its launch is kept out by the claims of others, and leaves none. */
  readonly lock?: boolean;
  /** Whether to go on, and to claim the directory too, where somebody else claims it; of a session that was launched where it cannot be seen from here, whether to resume it all the same. */
  readonly force?: boolean;
  /** After how long the agent is stopped; never where absent. */
  readonly timeoutMs?: number;
  /** A program and its arguments, run without a shell once the session's id is known. */
  readonly onCreate?: readonly string[];
  /** A program and its arguments, run without a shell once the agent has ended. */
  readonly onComplete?: readonly string[];
}

/** What an agent may do without asking. */
export type Permissions = "agent" | "edit" | "full";

/** The result of `session.launch` and `session.resume`. */
export interface LaunchResult {
  /** The session; absent where the agent has not told its id in time. */
  readonly session?: Session;
  /** How it was started. */
  readonly launch: Launched;
  /** True when no adapter failed or missed its deadline, and the processes of this machine could be seen. */
  readonly complete: boolean;
  /** What each adapter contributed. */
  readonly agents: readonly AgentReport[];
}

/** How an agent was started. */
export interface Launched {
  /** The id of the launch, given by headcount. */
  readonly launchId: string;
  /** The agent's own id of the session; absent where it has not told it in time. */
  readonly sessionId?: SessionId;
  /** The agent's process; absent where the agent's own service runs the session. */
  readonly pid?: Pid;
  /** The program and its arguments, a prompt among them cut; absent where none was started. */
  readonly command?: readonly string[];
  /** Where it works. */
  readonly cwd: AbsPath;
  /** Where its output is kept; absent where the agent's own service runs the session. */
  readonly logPath?: AbsPath;
  /** The login shell's PATH, where the program is only on that: the agent was given it behind the server's own. */
  readonly loginPath?: string;
}

/** The parameters of `session.resume`. */
export interface ResumeParams {
  /** The session's id, or a prefix of at least 4 characters that only it has. */
  readonly sessionId: string;
  /** The adapter to ask; all where absent. */
  readonly agent?: AgentId;
  /** What the agent is asked to do. */
  readonly prompt: string;
  /** The model, as the agent names it; the agent's own choice where absent. */
  readonly model?: string;
  /** A name for people. */
  readonly label?: string;
  /** The group of launches that this one belongs to. */
  readonly group?: string;
  /** The specification that the prompt follows. */
  readonly spec?: string;
  /** What the agent may do without asking. */
  readonly permissions?: Permissions;
  /** Variables to set on top of the server's own environment. */
  readonly env?: {
    readonly [name: string]: string;
  };
  /** Arguments to pass to the agent as they are, before the prompt. */
  readonly args?: readonly string[];
  /** Whether to claim the directory for as long as the agent runs. Without a claim of its own it is not kept out by those of others. A session in the agent's own service has no process whose life a claim could have: its launch is kept out by the claims of others, and leaves none. */
  readonly lock?: boolean;
  /** Whether to go on, and to claim the directory too, where somebody else claims it; of a session that was launched where it cannot be seen from here, whether to resume it all the same. */
  readonly force?: boolean;
  /** After how long the agent is stopped; never where absent. */
  readonly timeoutMs?: number;
  /** A program and its arguments, run without a shell once the session's id is known. */
  readonly onCreate?: readonly string[];
  /** A program and its arguments, run without a shell once the agent has ended. */
  readonly onComplete?: readonly string[];
}

/** The parameters of `session.stop`. */
export interface StopParams {
  /** The session's id, or a prefix of at least 4 characters that only it has. */
  readonly sessionId?: string;
  /** The live process that owns the session: before its agent has given it an id, nothing else names it. */
  readonly pid?: Pid;
  /** The adapter to ask; all where absent. */
  readonly agent?: AgentId;
  /** How long the agent, or the turn in its service, may take to end by itself; 5000 where absent. */
  readonly graceMs?: number;
}

/** The result of `session.stop`. */
export interface StopResult {
  /** How it ended. */
  readonly outcome: StopOutcome;
  /** What was sent to whom, in order. */
  readonly signals: readonly Signalled[];
  /** What of the agent still lives; of a session that nobody owned, what its agent had left at work. */
  readonly survivors: readonly Process[];
  /** True when no adapter failed or missed its deadline, and the processes of this machine could be seen. */
  readonly complete: boolean;
  /** What each adapter contributed. */
  readonly agents: readonly AgentReport[];
}

/** How a stop ended. */
export type StopOutcome = "stopped" | "already_stopped";

/** A signal that was sent. */
export interface Signalled {
  /** The signal, for example `SIGTERM`. */
  readonly signal: string;
  /** The process that it was sent to. */
  readonly pid: Pid;
}

/** The parameters of `session.prune`. */
export interface PruneParams {
  /** Whether to only say what would be forgotten. */
  readonly dryRun?: boolean;
  /** Only launches that ended before this instant. */
  readonly olderThan?: Timestamp;
}

/** The result of `session.prune`. */
export interface PruneResult {
  /** The launches that are forgotten. The sessions themselves stay: they are their agents'. */
  readonly forgotten: readonly Forgotten[];
  /** The claims that are void. */
  readonly released: readonly ReleasedClaim[];
  /** How many launches are kept. */
  readonly kept: number;
  /** Whether nothing was changed. */
  readonly dryRun: boolean;
  /** True when no adapter failed or missed its deadline. */
  readonly complete: boolean;
  /** What the adapters contributed whose services were asked for the launches that they run; none where there are none. */
  readonly agents: readonly AgentReport[];
}

/** A launch that is forgotten. */
export interface Forgotten {
  /** The id of the launch. */
  readonly launchId: string;
  /** The agent's own id of the session. */
  readonly sessionId?: SessionId;
  /** The id of the adapter. */
  readonly agent: AgentId;
  /** Why. */
  readonly reason: PruneReason;
}

/** Why something is void. */
export type PruneReason = "ended" | "process_gone" | "expired";

/** A claim that is void. */
export interface ReleasedClaim {
  /** The directory. */
  readonly directory: AbsPath;
  /** Who held it. */
  readonly holder: string;
  /** Why. */
  readonly reason: PruneReason;
}

/** The parameters of `fuse.set`. */
export interface FuseSetParams {
  /** The directory; it must exist. */
  readonly directory: AbsPath;
  /** After how long the fuse runs out. */
  readonly ttlMs: number;
  /** The session it is about. */
  readonly sessionId?: SessionId;
  /** What happens then; at least one member. */
  readonly onExpire: OnExpire;
  /** What it is for. */
  readonly label?: string;
}

/** The result of `fuse.set` and `fuse.extend`. */
export interface FuseResult {
  /** The fuse. */
  readonly fuse: Fuse;
}

/** The parameters of `fuse.extend`. */
export interface FuseExtendParams {
  /** The directory. */
  readonly directory: AbsPath;
  /** After how long, from now, the fuse runs out. */
  readonly ttlMs: number;
}

/** The parameters of `fuse.cancel`. */
export interface FuseCancelParams {
  /** The directory. */
  readonly directory: AbsPath;
}

/** The result of `fuse.cancel`. */
export interface FuseCancelResult {
  /** Whether there was a fuse. */
  readonly cancelled: boolean;
}

/** The parameters of `fuse.list`: none. */
export type FuseListParams = Record<string, never>;

/** The result of `fuse.list`. */
export interface FuseListResult {
  /** The fuses that have not been fired, by directory. One that has run out is fired by the next server that runs. */
  readonly fuses: readonly Fuse[];
}

/** The parameters of `server.metrics`: none. */
export type MetricsParams = Record<string, never>;

/** The result of `server.metrics`. */
export interface MetricsResult {
  /** How long the server has run, in milliseconds. */
  readonly uptimeMs: number;
  /** Requests by method, since this server started; `session.unwatch` is not counted. */
  readonly requests: {
    readonly [name: string]: Calls;
  };
  /** Sessions by agent and status, as of the last `session.list`; empty before the first. */
  readonly sessionsActive: {
    readonly [name: string]: {
      readonly [name: string]: number;
    };
  };
  /** Claims on directories that hold now; absent where the ledger cannot be read. */
  readonly locksActive?: number;
  /** Fuses that have not been fired; absent where the ledger cannot be read. */
  readonly fusesActive?: number;
  /** Launches that are not yet forgotten; absent where the ledger cannot be read. */
  readonly launches?: LaunchCounts;
  /** Why the ledger's counts are absent. */
  readonly problems?: readonly Problem[];
}

/** How often a method was called, and how long it took. */
export interface Calls {
  /** Requests answered, with a result or an error. */
  readonly answered: number;
  /** Of these, the ones answered with an error. */
  readonly failed: number;
  /** Requests that were dropped before their answer, cancelled or with their client; not among the answered. */
  readonly cancelled: number;
  /** How long the answered took. */
  readonly latency: Latency;
}

/** How long requests took, from when they were begun to their answer. */
export interface Latency {
  /** All together, in milliseconds. */
  readonly totalMs: number;
  /** The longest, in milliseconds. */
  readonly longestMs: number;
  /** How many took at most so long; each counts those of the ones before it, too. */
  readonly buckets: readonly Bucket[];
}

/** How many requests took at most so long. */
export interface Bucket {
  /** The bound, in milliseconds, included. */
  readonly upToMs: number;
  /** How many. */
  readonly count: number;
}

/** Launches in the ledger. */
export interface LaunchCounts {
  /** Launches whose process lives, or may: those of another machine or container, and those that an agent's own service runs, cannot be told from here. */
  readonly active: number;
  /** Launches that ended with exit code 0. */
  readonly succeeded: number;
  /** Launches that ended with another exit code, or did not start. */
  readonly failed: number;
  /** Launches whose process is gone, and whose end nobody saw; and those that a service may have begun, and did not say so. */
  readonly lost: number;
}

/** The parameters of `lock.acquire`. */
export interface LockAcquireParams {
  /** The directory; it must exist. */
  readonly directory: AbsPath;
  /** Who claims it, as others shall read it. */
  readonly by: string;
  /** Why. */
  readonly reason?: string;
  /** After how long the claim runs out; never where absent. */
  readonly ttlMs?: number;
}

/** The result of `lock.acquire`. */
export interface LockAcquireResult {
  /** The claim. */
  readonly lock: Lock;
}

/** A claim on a directory. */
export interface Lock {
  /** The directory, without symbolic links. */
  readonly directory: AbsPath;
  /** Who holds it: the name given when it was acquired, or the agent that was launched. */
  readonly by: string;
  /** Who made the claim. */
  readonly kind: LockKind;
  /** The process whose life the claim is bound to. */
  readonly pid?: Pid;
  /** The session that was launched. */
  readonly sessionId?: SessionId;
  /** Since when. */
  readonly since: Timestamp;
  /** When the claim runs out; absent where it does not. */
  readonly expiresAt?: Timestamp;
  /** Why it was claimed. */
  readonly reason?: string;
}

/** Who made a claim. */
export type LockKind = "manual" | "launch";

/** The parameters of `lock.release`. */
export interface LockReleaseParams {
  /** The directory; it need not exist any more. */
  readonly directory: AbsPath;
  /** Gives up the claim that was acquired under this name, and nobody else's: who is not sure whether an earlier request came through can ask again, whoever has claimed the directory meanwhile. Not together with `force`. */
  readonly by?: string;
  /** Whether every claim on it is given up, even that of a launch whose agent still lives; else the one that was acquired. */
  readonly force?: boolean;
}

/** The result of `lock.release`. */
export interface LockReleaseResult {
  /** Whether there was such a claim on exactly this directory. */
  readonly released: boolean;
}

/** The parameters of `lock.list`: none. */
export type LockListParams = Record<string, never>;

/** The result of `lock.list`. */
export interface LockListResult {
  /** The claims that hold now, by directory. */
  readonly locks: readonly Lock[];
}

/** What comes with an error, as its `data`. */
export interface ErrorWithNoDetails {
  /** The kind of error, for machines. */
  readonly kind: string;
  /** Whether the same request may succeed later without any change to it. */
  readonly retryable: boolean;
  /** What to do next, where that can be said. */
  readonly hint?: string;
}

/** What comes with an error, as its `data`. */
export interface ErrorWithAmbiguity {
  /** The sessions to choose from. */
  readonly candidates: readonly Candidate[];
  /** How many more there are, where they are not all listed. */
  readonly candidatesOmitted?: number;
  /** The kind of error, for machines. */
  readonly kind: string;
  /** Whether the same request may succeed later without any change to it. */
  readonly retryable: boolean;
  /** What to do next, where that can be said. */
  readonly hint?: string;
}

/** A session that a prefix or an id may mean: what tells it from the others for who chooses. */
export interface Candidate {
  /** The agent; the same id may be known to several. */
  readonly agent: AgentId;
  /** The whole id. */
  readonly sessionId: SessionId;
  /** Where it works, as far as that is known. */
  readonly cwd?: AbsPath;
  /** The agent's own title of it, where it has one. */
  readonly title?: string;
}

/** What comes with an error, as its `data`. */
export interface ErrorWithKnownAgents {
  /** The ids of all adapters. */
  readonly known: readonly AgentId[];
  /** The kind of error, for machines. */
  readonly kind: string;
  /** Whether the same request may succeed later without any change to it. */
  readonly retryable: boolean;
  /** What to do next, where that can be said. */
  readonly hint?: string;
}

/** What comes with an error, as its `data`. */
export interface ErrorWithClaimed {
  /** The directory that is claimed. */
  readonly directory: AbsPath;
  /** Who claims it. */
  readonly holder: Holder;
  /** The kind of error, for machines. */
  readonly kind: string;
  /** Whether the same request may succeed later without any change to it. */
  readonly retryable: boolean;
  /** What to do next, where that can be said. */
  readonly hint?: string;
}

/** Who stands in the way, and for how long: what 1004 says of a claim. */
export interface Holder {
  /** Who holds it. */
  readonly by: string;
  /** Who made the claim, which says what ends it. */
  readonly kind: LockKind;
  /** The process whose life the claim is bound to. */
  readonly pid?: Pid;
  /** The session that was launched. */
  readonly sessionId?: SessionId;
  /** Since when. */
  readonly since: Timestamp;
  /** When the claim runs out; absent where it does not. */
  readonly expiresAt?: Timestamp;
  /** Why it was claimed. */
  readonly reason?: string;
}

/** What comes with an error, as its `data`. */
export interface ErrorWithOwned {
  /** The live process, where it is a single one that is known. */
  readonly process?: Process;
  /** The kind of error, for machines. */
  readonly kind: string;
  /** Whether the same request may succeed later without any change to it. */
  readonly retryable: boolean;
  /** What to do next, where that can be said. */
  readonly hint?: string;
}

/** What comes with an error, as its `data`. */
export interface ErrorWithLaunchFailure {
  /** What it failed at. */
  readonly stage: Stage;
  /** The exit code; 128 + n where signal n ended it. */
  readonly exitCode?: number;
  /** The last 2 KiB that the agent said. */
  readonly output: string;
  /** The kind of error, for machines. */
  readonly kind: string;
  /** Whether the same request may succeed later without any change to it. */
  readonly retryable: boolean;
  /** What to do next, where that can be said. */
  readonly hint?: string;
}

/** What a launch failed at. */
export type Stage = "spawn" | "exit" | "auth" | "trust" | "model";

/** What a client may ask, by method. */
export interface Methods {
  /** Says who the server is and what it can do. */
  initialize: {
    params: {
      /** The client's process; the server exits when it is gone. Null where there is none, or none any more. */
      readonly processId?: number;
      /** Who the client is. */
      readonly clientInfo?: ClientInfo;
      /** Settings of this connection, over those of the user; the last that came hold. */
      readonly initializationOptions?: Settings;
    };
    result: InitializeResult;
  };
  /** Returns the OpenRPC document of this server. */
  "rpc.discover": { params: Record<string, never>; result: Record<string, never> };
  /** Lists the sessions of every agent on this machine, as they are now. */
  "session.list": {
    params: {
      /** Only these agents; adapters of others are not touched. */
      readonly agents?: readonly AgentId[];
      /** Only sessions in one of these states. */
      readonly status?: readonly Status[];
      /** Only sessions that work in exactly this directory. */
      readonly cwd?: AbsPath;
      /** Only sessions that work in this directory or below it. */
      readonly under?: AbsPath;
      /** Only sessions that were launched in this group. */
      readonly group?: string;
      /** Only sessions with activity at or after this instant. */
      readonly updatedSince?: Timestamp;
      /** Only sessions whose id, title, prompt, directory, branch or label holds this text, whatever its case. */
      readonly query?: string;
      /** Whether subagents are listed too. */
      readonly includeSubagents?: boolean;
      /** What to add to each session. */
      readonly include?: readonly Include[];
      /** How many sessions a page holds; 100 where absent. */
      readonly limit?: number;
      /** Where the page begins: the `nextCursor` of the page before, with the same filter. */
      readonly cursor?: string;
      /** How long each adapter may take; 5000 where absent. */
      readonly deadlineMs?: number;
    };
    result: ListResult;
  };
  /** Returns one session, fresh, with the evidence for its status. */
  "session.status": {
    params: {
      /** The session's id, or a prefix of at least 4 characters that only it has. */
      readonly sessionId?: string;
      /** The live process that owns the session: before its agent has given it an id, nothing else names it. */
      readonly pid?: Pid;
      /** The adapter to ask; all where absent. */
      readonly agent?: AgentId;
    };
    result: StatusResult;
  };
  /** Returns the last turns of one session. */
  "session.peek": {
    params: {
      /** The session's id, or a prefix of at least 4 characters that only it has. */
      readonly sessionId: string;
      /** The adapter to ask; all where absent. */
      readonly agent?: AgentId;
      /** How many turns at the most, the newest; 20 where absent. */
      readonly turns?: number;
      /** How many bytes of text at the most, over all turns; 65536 where absent. */
      readonly maxBytes?: number;
    };
    result: PeekResult;
  };
  /** Answers as soon as one of some sessions has one of some states. */
  "session.wait": {
    params: {
      /** The ids of the sessions, each whole or the beginning of one, of at least 4 characters; at most 1000. One that no session has is waited for; one that several have is the error `session_ambiguous`. */
      readonly sessionIds?: readonly string[];
      /** Which sessions are meant. */
      readonly filter?: Filter;
      /** The states that are waited for; at least one. */
      readonly until: readonly Status[];
      /** How long to wait after the first look, in milliseconds, at most a day: 1 asks for what is so now. */
      readonly timeoutMs: number;
    };
    result: WaitResult;
  };
  /** Tells every change of the sessions that a filter lets through, as it happens. */
  "session.watch": {
    params: {
      /** Only these agents; adapters of others are not touched. */
      readonly agents?: readonly AgentId[];
      /** Only sessions in one of these states. */
      readonly status?: readonly Status[];
      /** Only sessions that work in exactly this directory. */
      readonly cwd?: AbsPath;
      /** Only sessions that work in this directory or below it. */
      readonly under?: AbsPath;
      /** Only sessions that were launched in this group. */
      readonly group?: string;
      /** Only sessions with activity at or after this instant. */
      readonly updatedSince?: Timestamp;
      /** Only sessions whose id, title, prompt, directory, branch or label holds this text, whatever its case. */
      readonly query?: string;
      /** Whether subagents are listed too. */
      readonly includeSubagents?: boolean;
    };
    result: SubscriptionId;
  };
  /** Ends a subscription; returns whether there was one. */
  "session.unwatch": {
    params: {
      /** The subscription's id, as it was given. */
      readonly subscription: SubscriptionId;
    };
    result: boolean;
  };
  /** Starts an agent, detached, and answers when it has told its session's id. */
  "session.launch": {
    params: {
      /** The adapter of the agent to start. */
      readonly agent: AgentId;
      /** Where it works; an existing directory. */
      readonly cwd: AbsPath;
      /** What the agent is asked to do. */
      readonly prompt: string;
      /** The model, as the agent names it; the agent's own choice where absent. */
      readonly model?: string;
      /** A name for people. */
      readonly label?: string;
      /** The group of launches that this one belongs to. */
      readonly group?: string;
      /** The specification that the prompt follows. */
      readonly spec?: string;
      /** What the agent may do without asking. */
      readonly permissions?: Permissions;
      /** Variables to set on top of the server's own environment. */
      readonly env?: {
        readonly [name: string]: string;
      };
      /** Arguments to pass to the agent as they are, before the prompt. */
      readonly args?: readonly string[];
      /** Whether to claim the directory for as long as the agent runs. Without a claim of its own it is not kept out by those of others. A session in the agent's own service has no process whose life a claim could have: its launch is kept out by the claims of others, and leaves none. */
      readonly lock?: boolean;
      /** Whether to go on, and to claim the directory too, where somebody else claims it; of a session that was launched where it cannot be seen from here, whether to resume it all the same. */
      readonly force?: boolean;
      /** After how long the agent is stopped; never where absent. */
      readonly timeoutMs?: number;
      /** A program and its arguments, run without a shell once the session's id is known. */
      readonly onCreate?: readonly string[];
      /** A program and its arguments, run without a shell once the agent has ended. */
      readonly onComplete?: readonly string[];
    };
    result: LaunchResult;
  };
  /** Lets a session that no live process owns go on with another prompt. */
  "session.resume": {
    params: {
      /** The session's id, or a prefix of at least 4 characters that only it has. */
      readonly sessionId: string;
      /** The adapter to ask; all where absent. */
      readonly agent?: AgentId;
      /** What the agent is asked to do. */
      readonly prompt: string;
      /** The model, as the agent names it; the agent's own choice where absent. */
      readonly model?: string;
      /** A name for people. */
      readonly label?: string;
      /** The group of launches that this one belongs to. */
      readonly group?: string;
      /** The specification that the prompt follows. */
      readonly spec?: string;
      /** What the agent may do without asking. */
      readonly permissions?: Permissions;
      /** Variables to set on top of the server's own environment. */
      readonly env?: {
        readonly [name: string]: string;
      };
      /** Arguments to pass to the agent as they are, before the prompt. */
      readonly args?: readonly string[];
      /** Whether to claim the directory for as long as the agent runs. Without a claim of its own it is not kept out by those of others. A session in the agent's own service has no process whose life a claim could have: its launch is kept out by the claims of others, and leaves none. */
      readonly lock?: boolean;
      /** Whether to go on, and to claim the directory too, where somebody else claims it; of a session that was launched where it cannot be seen from here, whether to resume it all the same. */
      readonly force?: boolean;
      /** After how long the agent is stopped; never where absent. */
      readonly timeoutMs?: number;
      /** A program and its arguments, run without a shell once the session's id is known. */
      readonly onCreate?: readonly string[];
      /** A program and its arguments, run without a shell once the agent has ended. */
      readonly onComplete?: readonly string[];
    };
    result: LaunchResult;
  };
  /** Ends the process that owns a session, with everything it started; in a shared service, its turn. */
  "session.stop": {
    params: {
      /** The session's id, or a prefix of at least 4 characters that only it has. */
      readonly sessionId?: string;
      /** The live process that owns the session: before its agent has given it an id, nothing else names it. */
      readonly pid?: Pid;
      /** The adapter to ask; all where absent. */
      readonly agent?: AgentId;
      /** How long the agent, or the turn in its service, may take to end by itself; 5000 where absent. */
      readonly graceMs?: number;
    };
    result: StopResult;
  };
  /** Forgets launches that have ended and claims that are void; never an agent's files. */
  "session.prune": {
    params: {
      /** Whether to only say what would be forgotten. */
      readonly dryRun?: boolean;
      /** Only launches that ended before this instant. */
      readonly olderThan?: Timestamp;
    };
    result: PruneResult;
  };
  /** Sets a timer on a directory, in place of the one that it may have. */
  "fuse.set": {
    params: {
      /** The directory; it must exist. */
      readonly directory: AbsPath;
      /** After how long the fuse runs out. */
      readonly ttlMs: number;
      /** The session it is about. */
      readonly sessionId?: SessionId;
      /** What happens then; at least one member. */
      readonly onExpire: OnExpire;
      /** What it is for. */
      readonly label?: string;
    };
    result: FuseResult;
  };
  /** Lets a fuse run out that long from now. */
  "fuse.extend": {
    params: {
      /** The directory. */
      readonly directory: AbsPath;
      /** After how long, from now, the fuse runs out. */
      readonly ttlMs: number;
    };
    result: FuseResult;
  };
  /** Takes the fuse of a directory away. */
  "fuse.cancel": {
    params: {
      /** The directory. */
      readonly directory: AbsPath;
    };
    result: FuseCancelResult;
  };
  /** Lists the fuses that have not been fired. */
  "fuse.list": { params: Record<string, never>; result: FuseListResult };
  /** Counts requests, sessions, claims, fuses and launches. */
  "server.metrics": { params: Record<string, never>; result: MetricsResult };
  /** Claims a directory, unless it or one above or below it is claimed. */
  "lock.acquire": {
    params: {
      /** The directory; it must exist. */
      readonly directory: AbsPath;
      /** Who claims it, as others shall read it. */
      readonly by: string;
      /** Why. */
      readonly reason?: string;
      /** After how long the claim runs out; never where absent. */
      readonly ttlMs?: number;
    };
    result: LockAcquireResult;
  };
  /** Gives up the claim on a directory. */
  "lock.release": {
    params: {
      /** The directory; it need not exist any more. */
      readonly directory: AbsPath;
      /** Gives up the claim that was acquired under this name, and nobody else's: who is not sure whether an earlier request came through can ask again, whoever has claimed the directory meanwhile. Not together with `force`. */
      readonly by?: string;
      /** Whether every claim on it is given up, even that of a launch whose agent still lives; else the one that was acquired. */
      readonly force?: boolean;
    };
    result: LockReleaseResult;
  };
  /** Lists the claims on directories that hold now. */
  "lock.list": { params: Record<string, never>; result: LockListResult };
}

/** What the server may push, by method. */
export interface Notifications {
  "session.changed": {
    readonly subscription: SubscriptionId;
    readonly result: Changed;
  };
  "fuse.expired": {
    readonly subscription: SubscriptionId;
    readonly result: FuseExpired;
  };
}

/** The codes of errors, by kind. */
export const ErrorCode = {
  /** no session has that id or prefix */
  session_not_found: 1001,
  /** a prefix or an id matches several sessions */
  session_ambiguous: 1002,
  /** no adapter has that id */
  agent_unknown: 1003,
  /** another claim covers the directory */
  directory_locked: 1004,
  /** a live process owns the session */
  session_alive: 1005,
  /** the agent did not come up */
  launch_failed: 1006,
  /** the agent cannot do this */
  unsupported: 1007,
  /** the ledger cannot be read or written; nothing was changed */
  ledger_unavailable: 1008,
  /** the process changed identity between look and signal; nothing was signalled */
  not_ours: 1009,
  /** no fuse is set on that directory */
  fuse_not_found: 1010,
} as const;
