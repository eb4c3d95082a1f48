/** How sessions stand in the tree: narrowed, folded under their parents, grouped, the most urgent first. */

import path from "node:path";
import type { Session, Status } from "./protocol.gen";
import {
  compareSessions,
  compareText,
  isLiveRank,
  type Key,
  keyOf,
  rankOf,
  RUNNING,
  sessionKey,
} from "./roster";
import { folderOf } from "./words";

export type GroupBy = "status" | "folder" | "agent";

/** What of the sessions is shown, and how. */
export interface View {
  readonly groupBy: GroupBy;
  /** Only sessions that work in one of these folders; wherever they work where it is not given. */
  readonly under?: readonly string[] | undefined;
  /** Only sessions with this text in their title, prompt, directory, branch, id or label. */
  readonly query: string;
  /** Only these; all where there are none. */
  readonly statuses: readonly Status[];
  readonly agents: readonly string[];
  /** The folders of the workspace: they group what works below them. */
  readonly workspaceFolders: readonly string[];
  readonly nameOf: (agent: string) => string;
}

/** A session with the sessions that it started. */
export interface Row {
  readonly key: Key;
  readonly session: Session;
  readonly children: readonly Row[];
  /** How urgent the session is, or the most urgent of those below it. */
  readonly rank: number;
}

export interface Group {
  readonly id: string;
  readonly label: string;
  /** The folder whose sessions these are, where it is a folder's. */
  readonly folder?: string;
  readonly rows: readonly Row[];
  /** Whether it stands open until somebody closes it. */
  readonly isOpen: boolean;
}

/** The groups to show, the most urgent first. */
export function arrange(sessions: readonly Session[], view: View): Group[] {
  const rows = fold(sessions, keep(sessions, view));
  const placeOf = remembering((cwd) => folderAbove(cwd, view.workspaceFolders));
  const groups = new Map<string, Titled & { rows: Row[] }>();
  for (const row of rows) {
    const titled = groupOf(row, view, placeOf);
    const group = groups.get(titled.id);
    if (group) group.rows.push(row);
    else groups.set(titled.id, { ...titled, rows: [row] });
  }
  const names = namesakes([...groups.values()]);
  // A search must not hide what it found: its groups are others than those that somebody may have closed.
  const found = isNarrowed(view) ? " found" : "";
  // Rows are in order, so a group stands where its first row does.
  return [...groups.values()].map(({ id, label, folder, rows }) => {
    const isLive = rows.some((it) => isLiveRank(it.rank));
    const isOpen = isLive || view.groupBy === "status" || found !== "";
    const parent = folder !== undefined && names.has(label) ? `${folderOf(path.posix.dirname(folder))}/` : "";
    return {
      id: `${id}${found}`,
      label: `${parent}${label}`,
      rows,
      isOpen,
      ...(folder !== undefined && { folder }),
    };
  });
}

/** The names that more than one folder has: those are told apart by the folder that each is in. */
function namesakes(groups: readonly Titled[]): Set<string> {
  const labels = groups.map((it) => it.label);
  return new Set(labels.filter((it, at) => labels.indexOf(it) !== at));
}

/** Whether anything but the workspace narrows the view. */
function isNarrowed({ query, statuses, agents }: View): boolean {
  return query.trim() !== "" || statuses.length > 0 || agents.length > 0;
}

/**
 * How many sessions need somebody, as every client counts them: who started a subagent that waits is told to wait, too. And how
 * many rows run.
 */
export function countLive(sessions: readonly Session[]): { waiting: number; running: number } {
  const waiting = sessions.filter((it) => it.status === "waiting" && it.kind !== "subagent");
  const running = fold(sessions, undefined).filter((it) => it.rank === RUNNING);
  return { waiting: waiting.length, running: running.length };
}

/** The keys of what the view lets through, with the parents that lead to it; nothing where it lets all through. */
function keep(sessions: readonly Session[], view: View): Set<Key> | undefined {
  const { under, statuses, agents } = view;
  if (!under && !isNarrowed(view)) return undefined;
  const query = view.query.trim().toLowerCase();
  const byKey = new Map(sessions.map((it) => [keyOf(it), it]));
  const kept = new Set<Key>();
  const isUnder = remembering((cwd) => under?.some((it) => isWithin(cwd, it)));
  for (const session of sessions) {
    const isMeant =
      (!statuses.length || statuses.includes(session.status)) &&
      (!agents.length || agents.includes(session.agent)) &&
      (!under || (session.cwd !== undefined && isUnder(session.cwd))) &&
      (!query || matches(session, query));
    if (!isMeant) continue;
    for (let it: Session | undefined = session; it && !kept.has(keyOf(it)); it = parentOf(it, byKey)) {
      kept.add(keyOf(it));
    }
  }
  return kept;
}

function matches(session: Session, query: string): boolean {
  const { title, prompt, cwd, branch, sessionId, launch } = session;
  return [title, prompt, cwd, branch, sessionId, launch?.label].some((it) =>
    it?.toLowerCase().includes(query),
  );
}

/** Whether a directory is that folder or below it. */
export function isWithin(cwd: string | undefined, folder: string): boolean {
  if (cwd === undefined) return false;
  const relative = path.posix.relative(folder, cwd);
  return relative === "" || (relative !== ".." && !relative.startsWith("../"));
}

function parentOf(session: Session, byKey: ReadonlyMap<Key, Session>): Session | undefined {
  const { agent, parentSessionId } = session;
  return parentSessionId === undefined ? undefined : byKey.get(sessionKey(agent, parentSessionId));
}

/** The rows that stand at the top, in order, each with what is below it. */
function fold(sessions: readonly Session[], kept: ReadonlySet<Key> | undefined): Row[] {
  const shown = kept ? sessions.filter((it) => kept.has(keyOf(it))) : sessions;
  const byKey = new Map(shown.map((it) => [keyOf(it), it]));
  const children = new Map<Session, Session[]>();
  const tops: Session[] = [];
  for (const session of shown) {
    const parent = parentOf(session, byKey);
    const siblings = parent && children.get(parent);
    if (!parent || isOwnAncestor(session, byKey)) tops.push(session);
    else if (siblings) siblings.push(session);
    else children.set(parent, [session]);
  }
  const rowOf = (session: Session): Row => {
    const below = inOrder((children.get(session) ?? []).map(rowOf));
    const rank = Math.min(rankOf(session.status), ...below.map((it) => it.rank));
    return { key: keyOf(session), session, children: below, rank };
  };
  return inOrder(tops.map(rowOf));
}

/** Records could claim a circle; nothing in it may be lost. */
function isOwnAncestor(session: Session, byKey: ReadonlyMap<Key, Session>): boolean {
  const seen = new Set<Session>();
  for (let it = parentOf(session, byKey); it && !seen.has(it); it = parentOf(it, byKey)) {
    if (it === session) return true;
    seen.add(it);
  }
  return false;
}

function inOrder(rows: Row[]): Row[] {
  return rows.sort((a, b) => a.rank - b.rank || compareCalmly(a, b));
}

/** What runs stands in the order it was started: by its last activity, rows would change places with every line. */
function compareCalmly(a: Row, b: Row): number {
  if (a.rank !== RUNNING) return compareSessions(a.session, b.session);
  return compareText(startOf(b.session), startOf(a.session)) || compareText(a.key, b.key);
}

function startOf({ process, createdAt }: Session): string {
  return process?.startedAt ?? createdAt ?? "";
}

const BY_RANK = ["Needs you", "Running", "Idle", "Recent"] as const;

/** What a group is called. */
type Titled = Pick<Group, "id" | "label" | "folder">;

function groupOf(row: Row, { groupBy, nameOf }: View, placeOf: (cwd: string) => string): Titled {
  const { cwd, agent } = row.session;
  switch (groupBy) {
    case "status":
      return { id: `status ${row.rank}`, label: BY_RANK[row.rank] ?? "Recent" };
    case "agent":
      return { id: `agent ${agent}`, label: nameOf(agent) };
    case "folder": {
      if (cwd === undefined) return { id: "folder", label: "Folder not known" };
      const folder = placeOf(cwd);
      return { id: `folder ${folder}`, label: folderOf(folder), folder };
    }
  }
}

/** The innermost folder of the workspace that a directory is in, else the directory itself. */
function folderAbove(cwd: string, workspaceFolders: readonly string[]): string {
  const workspaces = workspaceFolders.filter((it) => isWithin(cwd, it));
  return workspaces.sort((a, b) => b.length - a.length)[0] ?? cwd;
}

/** The same, asked once for each directory: thousands of sessions share a few. */
function remembering<T>(ask: (cwd: string) => T): (cwd: string) => T {
  const answers = new Map<string, T>();
  return (cwd) => {
    const known = answers.get(cwd);
    if (known !== undefined) return known;
    const answer = ask(cwd);
    answers.set(cwd, answer);
    return answer;
  };
}
