/** What can be done with a session. */

import type { Session } from "./protocol.gen";

/**
 * A word that menus and commands ask for: it has an id (`known`), a live process (`live`), something to stop (`stoppable`),
 * a person may go on with it by hand (`own`), nobody does (`resumable`), and it is known where it works (`placed`).
 */
export type Facet = "known" | "live" | "stoppable" | "own" | "resumable" | "placed";

/** Whether a live process or the agent's service owns the session, shown or not. */
export function isAlive({ status }: Session): boolean {
  return status === "running" || status === "waiting" || status === "idle";
}

export function facetsOf({ sessionId, status, process, kind, cwd }: Session): readonly Facet[] {
  const isKnown = sessionId !== undefined;
  const isLive = process !== undefined;
  const isOver = status === "stopped" || status === "failed";
  // Subagents answer to their parents, not to a person.
  const isTop = kind !== "subagent";
  const isOwn = isKnown && isTop;
  const all: Record<Facet, boolean> = {
    known: isKnown,
    live: isLive,
    stoppable: isTop && (isKnown || isLive) && !isOver,
    own: isOwn,
    resumable: isOwn && isOver && !isLive,
    placed: cwd !== undefined,
  };
  return (Object.keys(all) as Facet[]).filter((it) => all[it]);
}
