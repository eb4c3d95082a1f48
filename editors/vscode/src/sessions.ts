/** Keeps the roster true: one list at the start, then what the server pushes. */

import * as vscode from "vscode";
import type { AgentReport, ListResult, Notifications, Problem } from "./protocol.gen";
import { changed, Roster, type Step } from "./roster";
import { type Server, textOf } from "./server";
import { type Trouble, NO_TROUBLE, problemInWords, together, unseenAgents, whereSeen } from "./trouble";

/** The first answer holds what is urgent and what is recent; the first push holds the rest. */
const FIRST_PAGE = 200;
/** The most that one list may hold, for servers that push nothing and for a refresh by hand. */
const WHOLE_PAGE = 10_000;

type Push = Notifications["session.changed"]["result"];

export class Sessions implements vscode.Disposable {
  readonly roster = new Roster();
  /** How often this client asked for a list. */
  lists = 0;
  /** How often the server pushed. */
  pushes = 0;
  trouble: Trouble = NO_TROUBLE;
  /** Whether the server was ever heard. */
  isKnown = false;

  private seq = 0;
  /** What the server that speaks now pushed last. */
  private pushed: Push | undefined;
  /** For each list that is under way, what was pushed since it was asked for. */
  private readonly underway = new Set<Push[]>();
  /** When the server that speaks now was heard first. */
  private since = "";
  private readonly emitter = new vscode.EventEmitter<readonly Step[]>();
  private readonly listening: vscode.Disposable[];

  /** Something changed; the steps say what. */
  readonly onChanged = this.emitter.event;

  constructor(
    private readonly server: Server,
    private readonly log: vscode.LogOutputChannel,
  ) {
    this.listening = [
      server.onChanged((event) => {
        this.take(event);
      }),
      server.onState((state) => {
        if (state === "ready") void this.begin();
      }),
    ];
  }

  /** Asks for the whole list. */
  async refresh(): Promise<void> {
    await this.list(WHOLE_PAGE);
  }

  dispose(): void {
    vscode.Disposable.from(...this.listening, this.emitter).dispose();
  }

  private async begin(): Promise<void> {
    this.seq = 0;
    this.pushed = undefined;
    this.since = new Date().toISOString();
    this.trouble = NO_TROUBLE;
    const { pid } = this.server;
    try {
      const canWatch = this.server.can("session.watch");
      await this.list(canWatch ? FIRST_PAGE : WHOLE_PAGE);
      if (canWatch) await this.server.request("session.watch", { includeSubagents: true });
    } catch (error) {
      this.log.error(`sessions: ${textOf(error)}`);
      // What the next server says is no matter of this one's.
      if (this.server.pid !== pid) return;
      this.trouble = { ...this.trouble, failure: textOf(error) };
      this.emitter.fire([]);
    }
  }

  private async list(limit: number): Promise<void> {
    this.lists += 1;
    const meanwhile: Push[] = [];
    this.underway.add(meanwhile);
    try {
      const told = await this.server.request("session.list", { limit, includeSubagents: true });
      const problems = together(this.pushed?.problems ?? [], told.problems ?? []);
      this.hear({ reports: told.agents, problems });
      const newer = meanwhile.filter((it) => it.observedAt >= told.observedAt);
      const steps = this.stepsTo(told, newer);
      this.isKnown = true;
      this.emitter.fire(steps);
    } finally {
      this.underway.delete(meanwhile);
    }
  }

  /** Takes what a list told, but for what a watch knows better: nobody would tell that a second time. */
  private stepsTo({ sessions, agents, nextCursor }: ListResult, newer: readonly Push[]): Step[] {
    // A watch began with all that there is.
    if (newer.some((it) => it.seq === 1)) return [];
    const told = changed(
      sessions,
      newer.flatMap((it) => it.changes),
    );
    // A first page of what was known as a whole before would only take rows away.
    const isPart = nextCursor !== undefined && this.roster.size > sessions.length;
    if (isPart) return this.roster.update(told);
    return this.roster.replace(told, this.pushed && unseenAgents(agents));
  }

  private take({ result }: Notifications["session.changed"]): void {
    this.pushes += 1;
    const isFirst = result.seq === 1;
    const hasGap = !isFirst && result.seq !== this.seq + 1;
    this.seq = result.seq;
    this.pushed = result;
    for (const pushes of this.underway) pushes.push(result);
    const sessions = result.changes.map((it) => it.session);
    this.hear({ reports: whereSeen(this.trouble.reports), problems: result.problems ?? [] });
    const steps = isFirst ? this.roster.replace(sessions) : this.roster.apply(result.changes, this.since);
    this.isKnown = true;
    this.emitter.fire(steps);
    if (hasGap) {
      this.log.warn(`a push before number ${result.seq} was lost: asking for the whole list`);
      this.refresh().catch((error: unknown) => {
        this.log.error(`sessions: ${textOf(error)}`);
      });
    }
  }

  /** What could not be looked at is shown in short; the log has it in full, once. */
  private hear(trouble: { reports: readonly AgentReport[]; problems: readonly Problem[] }): void {
    const known = new Set(messagesOf(this.trouble));
    for (const message of messagesOf(trouble)) {
      if (!known.has(message)) this.log.warn(message);
    }
    this.trouble = trouble;
  }
}

function messagesOf({ reports, problems }: Trouble): string[] {
  const told = reports.flatMap(({ agent, problems }) =>
    problems.map((it) => `${agent}: ${problemInWords(it)}`),
  );
  return [...told, ...problems.map(problemInWords)];
}
