import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { arrange, countLive, type Group, isWithin, type Row, type View } from "../../src/arrangement";
import type { Session } from "../../src/protocol.gen";
import { EVERYTHING, session } from "./support";

/** The tree as text, so that a test reads as what one sees. */
function drawn(groups: readonly Group[]): string[] {
  const row = (it: Row, indent: string): string[] => [
    `${indent}${it.session.sessionId ?? ""}`,
    ...it.children.flatMap((child) => row(child, `${indent}  `)),
  ];
  return groups.flatMap((it) => [it.label, ...it.rows.flatMap((each) => row(each, "  "))]);
}

test("what needs you comes first, then running, idle and recent", () => {
  const sessions = [
    session({ sessionId: "s", status: "stopped" }),
    session({ sessionId: "f", status: "failed", updatedAt: "2026-11-22T21:00:00.000Z" }),
    session({ sessionId: "u", status: "unknown", updatedAt: "2026-11-22T19:00:00.000Z" }),
    session({ sessionId: "r", status: "running" }),
    session({ sessionId: "w", status: "waiting" }),
    session({ sessionId: "i", status: "idle" }),
  ];
  assert.deepEqual(drawn(arrange(sessions, EVERYTHING)), [
    ...["Needs you", "  w", "Running", "  r", "Idle", "  i"],
    ...["Recent", "  f", "  s", "  u"],
  ]);
});

const FAMILY: Session[] = [
  session({ sessionId: "parent", status: "running" }),
  session({ sessionId: "child", status: "waiting", kind: "subagent", parentSessionId: "parent" }),
  session({ sessionId: "grandchild", kind: "subagent", parentSessionId: "child", title: "Deep" }),
  session({ sessionId: "orphan", status: "stopped", kind: "subagent", parentSessionId: "nobody" }),
  session({ sessionId: "other", status: "waiting", agent: "codex", parentSessionId: "parent" }),
];

test("subagents stand under their parents, and lift them to their own urgency", () => {
  assert.deepEqual(drawn(arrange(FAMILY, EVERYTHING)), [
    ...["Needs you", "  other", "  parent", "    child", "      grandchild"],
    ...["Recent", "  orphan"],
  ]);
});

test("a parent that runs counts once with all below it", () => {
  const calm = FAMILY.map((it) => (it.status === "waiting" ? { ...it, status: "running" as const } : it));
  assert.deepEqual(countLive(calm), { waiting: 0, running: 2 });
  assert.deepEqual(countLive([]), { waiting: 0, running: 0 });
});

test("as many need you as every client says", () => {
  const file = path.join(__dirname, "../../../../../tests/fixtures/needs-you.json");
  const cases = JSON.parse(readFileSync(file, "utf8")) as {
    name: string;
    needYou: number;
    sessions: Session[];
  }[];
  for (const { name, needYou, sessions } of cases)
    assert.equal(countLive(sessions.map(session)).waiting, needYou, name);
});

test("parents that claim each other are both shown", () => {
  const circle = [
    session({ sessionId: "a", parentSessionId: "b" }),
    session({ sessionId: "b", parentSessionId: "a" }),
    session({ sessionId: "self", parentSessionId: "self" }),
  ];
  const shown = drawn(arrange(circle, EVERYTHING));
  for (const id of ["a", "b", "self"])
    assert.ok(
      shown.some((it) => it.trim() === id),
      id,
    );
});

test("a match below keeps the way to it", () => {
  assert.deepEqual(drawn(arrange(FAMILY, { ...EVERYTHING, query: " DEEP " })), [
    ...["Needs you", "  parent", "    child", "      grandchild"],
  ]);
  assert.deepEqual(arrange(FAMILY, { ...EVERYTHING, query: "nowhere" }), []);
});

test("text, status, agent and workspace narrow together", () => {
  const sessions = [
    session({ sessionId: "a", status: "waiting", cwd: "/w/api", branch: "main" }),
    session({ sessionId: "b", status: "waiting", cwd: "/w/api-old", branch: "main" }),
    session({ sessionId: "c", status: "running", cwd: "/w/api/sub", branch: "main" }),
    session({ sessionId: "d", status: "waiting", cwd: "/w/api", branch: "main", agent: "codex" }),
    session({ sessionId: "e", status: "waiting" }),
  ];
  const view = { ...EVERYTHING, query: "main", under: ["/w/api"] };
  assert.deepEqual(drawn(arrange(sessions, { ...view, statuses: ["waiting"], agents: ["claude-code"] })), [
    "Needs you",
    "  a",
  ]);
  assert.deepEqual(drawn(arrange(sessions, view)), ["Needs you", "  a", "  d", "Running", "  c"]);
  assert.deepEqual(arrange(sessions, { ...view, under: [] }), [], "a workspace without a folder of its own");
});

test("groups by folder are the workspace's, else the directory's own; the urgent first", () => {
  const sessions = [
    session({ sessionId: "idle", cwd: "/w/api/deep/er" }),
    session({ sessionId: "runs", status: "running", cwd: "/elsewhere/web" }),
    session({ sessionId: "nowhere", status: "stopped" }),
  ];
  const view = { ...EVERYTHING, groupBy: "folder" as const, workspaceFolders: ["/w", "/w/api"] };
  assert.deepEqual(drawn(arrange(sessions, view)), [
    ...["web", "  runs", "api", "  idle"],
    ...["Folder not known", "  nowhere"],
  ]);
});

test("what runs keeps its place while it works, what ran last stands first", () => {
  const runs = (sessionId: string, startedAt: string, updatedAt: string) =>
    session({ sessionId, status: "running", process: { pid: 1, startedAt }, updatedAt });
  const [nine, ten] = ["2026-11-22T09:00:00.000Z", "2026-11-22T10:00:00.000Z"];
  const order = (...sessions: Session[]) => drawn(arrange(sessions, EVERYTHING)).map((it) => it.trim());
  assert.deepEqual(order(runs("old", nine, nine), runs("new", ten, ten)), ["Running", "new", "old"]);
  assert.deepEqual(order(runs("old", nine, "2026-11-22T11:00:00.000Z"), runs("new", ten, ten)), [
    ...["Running", "new", "old"],
  ]);
});

test("what was found is never behind a closed group, even where somebody has closed it", () => {
  const sessions = [session({ status: "stopped", cwd: "/w/api" })];
  const only = (view: Partial<View>) => arrange(sessions, { ...EVERYTHING, groupBy: "folder", ...view })[0];
  assert.equal(only({})?.isOpen, false);
  assert.equal(only({ query: "api" })?.isOpen, true);
  assert.notEqual(only({ query: "api" })?.id, only({})?.id);
});

test("folders of the same name are told apart by where they are", () => {
  const sessions = ["/w/shop/api", "/w/bank/api", "/w/docs"].map((cwd) => session({ sessionId: cwd, cwd }));
  const groups = arrange(sessions, { ...EVERYTHING, groupBy: "folder" });
  assert.deepEqual(groups.map((it) => it.label).sort(), ["bank/api", "docs", "shop/api"]);
  assert.deepEqual(groups.map((it) => it.folder).sort(), ["/w/bank/api", "/w/docs", "/w/shop/api"]);
});

test("groups by agent have the agents' names", () => {
  const sessions = [
    session({ sessionId: "a" }),
    session({ sessionId: "b", agent: "codex", status: "running" }),
  ];
  assert.deepEqual(drawn(arrange(sessions, { ...EVERYTHING, groupBy: "agent" })), [
    ...["<codex>", "  b", "<claude-code>", "  a"],
  ]);
});

test("a folder holds itself and what is below, and no neighbour", () => {
  for (const [cwd, folder, expected] of [
    ["/w/api", "/w/api", true],
    ["/w/api/x", "/w/api", true],
    ["/w/api-old", "/w/api", false],
    ["/w", "/w/api", false],
    ["/w/..hidden", "/w", true],
    ["/", "/", true],
    [undefined, "/", false],
  ] as const) {
    assert.equal(isWithin(cwd, folder), expected, `${cwd ?? "unknown"} in ${folder}`);
  }
});

test("two thousand sessions are arranged within a frame", () => {
  const many = Array.from({ length: 2_000 }, (_, at) =>
    session({
      sessionId: `s${at}`,
      status: "stopped",
      updatedAt: new Date(1e12 + ((at * 7919) % 2_000) * 1e3).toISOString(),
      ...(at % 5 === 0 && at && { parentSessionId: `s${at - 1}` }),
    }),
  );
  // The processor's own time: a busy machine does not count, nor do the first runs, which are compiled on the way.
  const spent = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage();
    assert.ok(arrange(many, { ...EVERYTHING, query: "s1" }).length > 0);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  assert.ok(Math.min(...spent) < 16, `${spent.join(", ")} ms`);
});
