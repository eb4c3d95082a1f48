/** Sessions in words. Whatever came from an agent is untrusted: it is shown, never interpreted. */

import path from "node:path";
import type { Reason, Session, Status, Usage } from "./protocol.gen";

/** Longest title of a row; a prompt may be much longer. */
const TITLE_MAX = 120;

/** A session's title: its own, else its first prompt. */
export function titleOf(session: Session): string {
  const text = session.title ?? session.launch?.label ?? session.prompt;
  const line = shortLine(text ?? "");
  if (line) return line;
  return session.sessionId === undefined ? "New session" : `Session ${session.sessionId.slice(0, 8)}`;
}

/** Text on one line, without what a terminal or a reader of bidirectional text would obey, or nobody would see. */
export function oneLine(text: string): string {
  return text
    .replace(/[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/gu, "")
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim();
}

/** The same, cut where it is longer than a row. */
export function shortLine(text: string): string {
  const line = oneLine(text);
  const characters = Array.from(line);
  return characters.length > TITLE_MAX ? `${characters.slice(0, TITLE_MAX - 1).join("")}…` : line;
}

/** What a program said last, of all that it said. */
export function lastLine(text: string): string {
  return shortLine(text.trimEnd().split("\n").at(-1) ?? "");
}

/** The word for a value, which a later server may know more of than this table. */
export function wordFor<T>(table: Readonly<Partial<Record<string, T>>>, value: string): T | undefined {
  return Object.hasOwn(table, value) ? table[value] : undefined;
}

/** Text where VS Code would look for icons: `$(name)`. */
export function withoutIcons(text: string): string {
  return text.replaceAll("$(", "\\$(");
}

/** Text where VS Code would look for links: `[label](command:…)`, in notifications. */
export function withoutLinks(text: string): string {
  return text.replaceAll("](", "] (");
}

const STATUS: Record<Status, string> = {
  waiting: "waiting for you",
  running: "running",
  idle: "idle",
  stopped: "stopped",
  failed: "failed",
  unknown: "unknown",
};

const REASON: Partial<Record<Reason, string>> = {
  permission: "waiting for a permission",
  question: "waiting for an answer",
  plan: "waiting for a plan to be approved",
  input: "waiting for input",
  login: "waiting for a login",
  suspended: "waiting to be continued",
  never_prompted: "idle, nothing asked yet",
  completed: "stopped: completed",
  interrupted: "stopped: interrupted",
  killed: "stopped: killed",
  model_error: "failed: model error",
  auth: "failed: login",
  exit_code: "failed: exit code",
  launch_error: "failed to launch",
  adapter_failed: "unknown: cannot be looked at",
  unreachable: "unknown: out of reach",
  unrecognised: "unknown: in a state that this version does not know",
  contradiction: "unknown: the evidence contradicts itself",
};

/** A status as one of a list of choices. */
export function statusLabel(status: Status): string {
  const word = STATUS[status];
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** The status in words, for people. */
export function statusInWords({ status, reason, conflict }: Session): string {
  const plain = wordFor(STATUS, status) ?? STATUS.unknown;
  const word = reason === "process_alive" ? aliveInWords(plain) : (wordFor(REASON, reason) ?? plain);
  return conflict ? `${word}, two processes write it` : word;
}

/** The status of a session of which no more is known than that its process lives. */
function aliveInWords(status: string): string {
  return status === STATUS.unknown ? "unknown: its process lives" : `${status}, as far as can be seen`;
}

const NEED: Partial<Record<Reason, string>> = {
  permission: "a permission",
  question: "an answer",
  plan: "a plan approved",
  input: "input",
  login: "a login",
  suspended: "to be continued",
};

/** What a waiting session needs of a person: `needs a permission`. */
export function needOf(reason: Reason): string {
  return `needs ${wordFor(NEED, reason) ?? "you"}`;
}

/** What ends when a session is stopped. */
export function endInWords({ process }: Session): string {
  return process
    ? "The agent and everything it started ends."
    : "Its turn ends; the service that it lives in goes on.";
}

/** How long ago that was: `now`, `5m`, `3h`, `2d`, `4w`. */
export function ageOf(timestamp: string, now: number): string {
  const minutes = Math.floor((now - Date.parse(timestamp)) / 60_000);
  if (Number.isNaN(minutes)) return "";
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes}m`;
  if (minutes < 60 * 24) return `${Math.floor(minutes / 60)}h`;
  if (minutes < 60 * 24 * 14) return `${Math.floor(minutes / (60 * 24))}d`;
  return `${Math.floor(minutes / (60 * 24 * 7))}w`;
}

/** The same as a phrase: `now`, `5m ago`; nothing for what is no date. */
export function agoInWords(timestamp: string, now: number): string {
  const age = ageOf(timestamp, now);
  return age === "now" ? age : age && `${age} ago`;
}

const SPOKEN: Readonly<Record<string, string>> = { m: "minute", h: "hour", d: "day", w: "week" };

/** The same for the ear: `now`, `5 minutes ago`. A screen reader would read `5m` as it likes. */
export function agoSpoken(timestamp: string, now: number): string {
  const age = ageOf(timestamp, now);
  const [, count, unit] = /^(\d+)(.)$/.exec(age) ?? [];
  if (count === undefined || unit === undefined) return age;
  return `${count} ${SPOKEN[unit] ?? unit}${count === "1" ? "" : "s"} ago`;
}

/** The last part of a directory. */
export function folderOf(cwd: string): string {
  return path.posix.basename(cwd) || cwd;
}

/** `2026-11-22T20:22:31.081Z` as `2026-11-22 20:22:31`, where the person is; what is no date stays as it is. */
export function clock(timestamp: string): string {
  const time = new Date(timestamp);
  if (Number.isNaN(time.getTime())) return oneLine(timestamp);
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace("T", " ");
}

/** Tokens and cost on one line. */
export function usageInWords(usage: Usage): string {
  const cached = (usage.cacheReadTokens ?? 0) + (usage.cacheWriteTokens ?? 0);
  const parts = [
    `${count(usage.inputTokens)} in`,
    ...(cached ? [`${count(cached)} cached`] : []),
    `${count(usage.outputTokens)} out`,
    ...(usage.costUsd === undefined
      ? []
      : [`${usage.costIsEstimate ? "about " : ""}$${usage.costUsd.toFixed(2)}`]),
  ];
  return parts.join(" · ");
}

/** A count that fits a row: 950, 1.2k, 34k, 1.5M. */
export function count(tokens: number): string {
  if (tokens < 1_000) return String(tokens);
  const [value, unit] = tokens < 999_500 ? [tokens / 1_000, "k"] : [tokens / 1_000_000, "M"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)}${unit}`;
}

/** What a screen reader says of a row: title and status first. */
export function accessibleName(session: Session, agentName: string, now: number): string {
  const ago = session.updatedAt && agoSpoken(session.updatedAt, now);
  const parts = [
    titleOf(session),
    statusInWords(session),
    agentName,
    session.cwd && `in ${folderOf(session.cwd)}`,
    ago && `active ${ago}`,
  ];
  return parts.filter(Boolean).join(", ");
}

/** How many sessions need somebody: `1 session needs you`. */
export function needInWords(waiting: number): string {
  if (waiting === 0) return "No session needs you";
  return waiting === 1 ? "1 session needs you" : `${waiting} sessions need you`;
}
