/** Sessions for tests. */

import type { View } from "../../src/arrangement";
import type { Session } from "../../src/protocol.gen";

/** A session of which only this matters. */
export function session(told: Partial<Session> = {}): Session {
  return {
    sessionId: "5e551011",
    agent: "claude-code",
    status: "idle",
    reason: "turn_ended",
    certainty: "asserted",
    kind: "main",
    updatedAt: "2026-11-22T20:00:00.000Z",
    ...told,
  };
}

export const EVERYTHING: View = {
  groupBy: "status",
  query: "",
  statuses: [],
  agents: [],
  workspaceFolders: [],
  nameOf: (agent) => `<${agent}>`,
};
