/** Keeps the roster true: one list at the start, then what the server pushes. */

import * as vscode from "vscode";
import type { AgentReport, Notifications, Problem } from "./protocol.gen";
import { Roster, type Step } from "./roster";
import { type Server, textOf } from "./server";

/** The first answer holds what is urgent and what is recent; the first push holds the rest. */
const FIRST_PAGE = 200;
/** The most that one list may hold, for servers that push nothing and for a refresh by hand. */
const WHOLE_PAGE = 10_000;

/** What could not be looked at. */
export interface Trouble {
  readonly reports: readonly AgentReport[];
  readonly problems: readonly Problem[];
}

export class Sessions implements vscode.Disposable {
  readonly roster = new Roster();
  /** How often this client asked for a list. */
  lists = 0;
  /** How often the server pushed. */
  pushes = 0;
  trouble: Trouble = { reports: [], problems: [] };
  /** Whether the server was ever heard. */
  isKnown = false;

  private seq = 0;
  private readonly emitter = new vscode.EventEmitter<readonly Step[]>();
  private readonly listening: vscode.Disposable[];

  /** Something changed; the steps are those whose session was known before. */
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
    try {
      const canWatch = this.server.can("session.watch");
      await this.list(canWatch ? FIRST_PAGE : WHOLE_PAGE);
      if (canWatch) await this.server.request("session.watch", { includeSubagents: true });
    } catch (error) {
      this.log.error(`sessions: ${textOf(error)}`);
    }
  }

  private async list(limit: number): Promise<void> {
    this.lists += 1;
    const result = await this.server.request("session.list", { limit, includeSubagents: true });
    this.trouble = { ...this.trouble, reports: result.agents };
    // A first page of what was known as a whole before would only take rows away.
    const isPart = result.nextCursor !== undefined && this.roster.size > result.sessions.length;
    const changes = result.sessions.map((session) => ({ kind: "changed" as const, session }));
    const steps = isPart ? this.roster.apply(changes) : this.roster.replace(result.sessions);
    this.isKnown = true;
    this.emitter.fire(steps);
  }

  private take({ result }: Notifications["session.changed"]): void {
    this.pushes += 1;
    const isFirst = result.seq === 1;
    const hasGap = !isFirst && result.seq !== this.seq + 1;
    this.seq = result.seq;
    this.trouble = { ...this.trouble, problems: result.problems ?? [] };
    const steps = isFirst
      ? this.roster.replace(result.changes.map((it) => it.session))
      : this.roster.apply(result.changes);
    this.isKnown = true;
    this.emitter.fire(steps);
    if (hasGap) {
      this.log.warn(`a push before number ${result.seq} was lost: asking for the whole list`);
      this.refresh().catch((error: unknown) => {
        this.log.error(`sessions: ${textOf(error)}`);
      });
    }
  }
}
