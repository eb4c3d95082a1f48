/** What could not be looked at, and how it is said: in the tree, calmly. */

import type { AgentReport, Problem } from "./protocol.gen";
import { shortLine } from "./words";

export interface Trouble {
  /** How each agent's part of the last list ended. */
  readonly reports: readonly AgentReport[];
  /** What keeps changes from being seen. */
  readonly problems: readonly Problem[];
  /** Why there is no list. */
  readonly failure?: string;
}

export const NO_TROUBLE: Trouble = { reports: [], problems: [] };

/** The reports that still hold once the server has pushed: among its problems it names each agent that cannot be looked at now. */
export function whereSeen(reports: readonly AgentReport[]): readonly AgentReport[] {
  return reports.filter((it) => !isUnseen(it));
}

/** The agents that could not be looked at. */
export function unseenAgents(reports: readonly AgentReport[]): Set<string> {
  return new Set(reports.filter(isUnseen).map((it) => it.agent));
}

/** These problems and those, each once. */
export function together(some: readonly Problem[], others: readonly Problem[]): Problem[] {
  const known = new Set(some.map(problemInWords));
  return [...some, ...others.filter((it) => !known.has(problemInWords(it)))];
}

function isUnseen({ outcome }: AgentReport): boolean {
  return outcome === "failed" || outcome === "timed_out";
}

/** A line for each thing that a person should know; none where all could be seen. */
export function troubleInWords(
  { reports, problems, failure }: Trouble,
  nameOf: (agent: string) => string,
): string[] {
  const unread = whereSeen(reports).reduce(
    (sum, it) => sum + it.problems.length + (it.problemsOmitted ?? 0),
    0,
  );
  return [
    ...(failure === undefined ? [] : [`The sessions cannot be listed: ${failure}`]),
    ...reports.filter(isUnseen).map((it) => `${nameOf(it.agent)} cannot be looked at: ${why(it)}`),
    ...problems.map((it) => it.message),
    ...(unread
      ? [`${unread === 1 ? "One record" : `${unread} records`} cannot be read; the log says which.`]
      : []),
  ].map(shortLine);
}

/** A problem with the file that it is about, and the line. */
export function problemInWords({ message, path, line }: Problem): string {
  if (path === undefined) return message;
  return `${message} (${path}${line === undefined ? "" : `:${line}`})`;
}

function why({ outcome, problems }: AgentReport): string {
  return problems[0]?.message ?? (outcome === "timed_out" ? "it takes too long" : "it has failed");
}
