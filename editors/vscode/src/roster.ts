/** The sessions as the server told them last. */

import type { Change, Session, Status, StatusParams } from "./protocol.gen";
import { wordFor } from "./words";

/** What tells one session from another. */
export type Key = string;

/** How the server is told which session is meant: by its agent and id or, where it has none yet, by agent and process. */
export type Which = StatusParams & { readonly agent: string };

export function whichOf({ agent, sessionId, process }: Session): Which {
  if (sessionId !== undefined) return { agent, sessionId };
  return process ? { agent, pid: process.pid } : { agent };
}

export function keyOf(session: Session): Key {
  const { agent, sessionId, process, launch } = session;
  // The same pid, given again, is another process. What ended before it told an id has its launch alone.
  const unnamed = process ? `pid ${process.pid} ${process.startedAt}` : `launch ${launch?.launchId ?? ""}`;
  return `${agent} ${sessionId ?? unnamed}`;
}

/** What the server is asked for, as one text. */
export function addressFor({ agent, sessionId, pid }: Which): Key {
  return sessionId === undefined ? `${agent} pid ${pid ?? ""}` : `${agent} ${sessionId}`;
}

/** The key of the session with that id. */
export function sessionKey(agent: string, sessionId: string): Key {
  return addressFor({ agent, sessionId });
}

/** One session before and after; the one that is missing was not there, or was not known. */
export interface Step {
  readonly before?: Session;
  readonly after?: Session;
  /** Whether it came into being while we looked; otherwise a session without `before` is merely new to us. */
  readonly isBorn?: true;
}

export const RUNNING = 1;
const OVER = 3;
const RANK: Record<Status, number> = {
  waiting: 0,
  running: RUNNING,
  idle: 2,
  stopped: OVER,
  failed: OVER,
  unknown: OVER,
};

/** How urgent a status is: what needs you is 0, what is over is 3. A status of a later server counts as over. */
export function rankOf(status: Status): number {
  return wordFor(RANK, status) ?? OVER;
}

/** Whether what is so urgent is alive. */
export function isLiveRank(rank: number): boolean {
  return rank < OVER;
}

/** The order of `session.list`: by urgency, then the newest first, then by key. */
export function compareSessions(a: Session, b: Session): number {
  return (
    rankOf(a.status) - rankOf(b.status) ||
    compareText(b.updatedAt ?? "", a.updatedAt ?? "") ||
    compareText(keyOf(a), keyOf(b))
  );
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** When a session was last known to do something. */
function lastSignOf({ updatedAt, createdAt, process }: Session): string {
  return updatedAt ?? createdAt ?? process?.startedAt ?? "";
}

/** These sessions after these changes. */
export function changed(sessions: readonly Session[], changes: readonly Change[]): Session[] {
  const byKey = new Map(sessions.map((it) => [keyOf(it), it]));
  for (const { kind, session } of changes) {
    if (kind === "removed") byKey.delete(keyOf(session));
    else byKey.set(keyOf(session), session);
  }
  return [...byKey.values()];
}

/** The client's copy of what the server told. */
export class Roster {
  private byKey = new Map<Key, Session>();

  get size(): number {
    return this.byKey.size;
  }

  get(key: Key): Session | undefined {
    return this.byKey.get(key);
  }

  sessions(): Session[] {
    return [...this.byKey.values()].sort(compareSessions);
  }

  /**
   * Takes sessions that were told as a whole. Those that were there before are steps; the others are no news. What was known
   * of the agents that are `unseen` stays as it was.
   */
  replace(sessions: readonly Session[], unseen: ReadonlySet<string> = new Set()): Step[] {
    const before = this.byKey;
    this.byKey = new Map([...before].filter(([, it]) => unseen.has(it.agent)));
    return this.take(
      sessions.filter((it) => !unseen.has(it.agent)),
      before,
    );
  }

  /** Takes some sessions of many; the others stay. */
  update(sessions: readonly Session[]): Step[] {
    return this.take(sessions, this.byKey);
  }

  /** Takes changes of single sessions. What was active before `since` may be told late, but it is not born. */
  apply(changes: readonly Change[], since = ""): Step[] {
    return changes.map(({ kind, session }) => {
      const key = keyOf(session);
      const before = this.byKey.get(key);
      if (kind === "removed") {
        this.byKey.delete(key);
        return { ...(before && { before }) };
      }
      this.byKey.set(key, session);
      const isBorn = kind === "added" && lastSignOf(session) > since;
      return { ...(before ? { before } : isBorn && { isBorn }), after: session };
    });
  }

  private take(sessions: readonly Session[], known: ReadonlyMap<Key, Session>): Step[] {
    return sessions.flatMap((after) => {
      const key = keyOf(after);
      const before = known.get(key);
      this.byKey.set(key, after);
      return before ? [{ before, after }] : [];
    });
  }
}
