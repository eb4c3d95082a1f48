/** What a server says of itself. */

import type { AgentCard } from "./protocol.gen";

/** What the server said it can do. */
export interface Abilities {
  readonly version: string;
  readonly methods: ReadonlySet<string>;
  readonly agents: readonly AgentCard[];
}

export const NO_ABILITIES: Abilities = { version: "", methods: new Set(), agents: [] };

/** What the answer to `initialize` says, or nothing where it is none of a server of ours: any program may be named in the settings. */
export function abilitiesOf(answer: unknown): Abilities | undefined {
  const version = memberOf(memberOf(answer, "serverInfo"), "version");
  const ours = memberOf(memberOf(memberOf(answer, "capabilities"), "experimental"), "headcount");
  const [methods, agents] = [memberOf(ours, "methods"), memberOf(ours, "agents")];
  if (typeof version !== "string" || !Array.isArray(methods) || !Array.isArray(agents)) return undefined;
  return { version, methods: new Set(methods), agents };
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
