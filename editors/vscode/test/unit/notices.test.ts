import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { Claims } from "../../src/claims";
import { noticesOf } from "../../src/notices";
import type { Reason, Session, Status } from "../../src/protocol.gen";
import type { Step } from "../../src/roster";
import { session } from "./support";

function texts(before: Session, after: Session): string[] {
  return noticesOf([{ before, after }], () => "Agent").map((it) => it.text);
}

test("each change of status that a person cares for is said, and no other", () => {
  const cases: [Status, Status, Reason, string | undefined][] = [
    ["running", "waiting", "permission", "Agent needs a permission: T"],
    ["idle", "waiting", "question", "Agent needs an answer: T"],
    ["running", "waiting", "suspended", "Agent needs to be continued: T"],
    ["waiting", "waiting", "question", undefined],
    ["running", "failed", "model_error", "Agent failed: T"],
    ["running", "idle", "turn_ended", "Agent has finished: T"],
    ["waiting", "idle", "turn_ended", undefined],
    ["running", "stopped", "completed", "Agent has finished: T"],
    ["running", "stopped", "killed", undefined],
    ["running", "stopped", "interrupted", undefined],
    ["idle", "stopped", "completed", undefined],
    ["idle", "running", "turn_in_progress", undefined],
  ];
  for (const [from, to, reason, said] of cases) {
    const [before, after] = [session({ status: from }), session({ status: to, reason, title: "T" })];
    assert.deepEqual(texts(before, after), said === undefined ? [] : [said], `${from} to ${to}`);
  }
});

test("what starts with a question is said; what was there when we came is not", () => {
  const after = session({ status: "waiting", reason: "login", title: "T" });
  const said = (...steps: Step[]) => noticesOf(steps, () => "Agent").map((it) => it.text);
  assert.deepEqual(said({ after, isBorn: true }), ["Agent needs a login: T"]);
  assert.deepEqual(said({ after: { ...after, cwd: "/work/a\u202epi" }, isBorn: true }), [
    "Agent needs a login in api: T",
  ]);
  assert.deepEqual(said({ after }), []);
  assert.deepEqual(said({ after: { ...after, status: "failed" }, isBorn: true }), []);
});

test("subagents, and sessions that were not known before, say nothing", () => {
  const [before, after] = [session({ status: "running" }), session({ status: "waiting" })];
  assert.deepEqual(texts({ ...before, kind: "subagent" }, { ...after, kind: "subagent" }), []);
  assert.deepEqual(
    noticesOf([{ after }, { before }], () => "Agent"),
    [],
  );
});

test("a title cannot smuggle a link into a notification", () => {
  const after = session({ status: "waiting", reason: "input", title: "[ok](command:workbench.action.quit)" });
  assert.deepEqual(texts(session({ status: "running" }), after), [
    "Agent needs input: [ok] (command:workbench.action.quit)",
  ]);
});

test("of many windows one says it, and what is old is forgotten", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "headcount-"));
  try {
    const claims = path.join(directory, "notices");
    const windows = Array.from({ length: 8 }, () => new Claims(claims));
    const said = await Promise.all(windows.map((it) => it.claim("the same")));
    assert.equal(said.filter(Boolean).length, 1);
    const [window] = windows;
    const [file] = await readdir(claims);
    assert.ok(window && file);
    await utimes(path.join(claims, file), 0, 0);
    assert.equal(await window.claim("another"), true);
    assert.equal((await readdir(claims)).length, 1);
    assert.equal(await window.claim("the same"), false, "this window has heard of it");
    assert.equal(await new Claims(claims).claim("the same"), true);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("where nothing can be written it is said all the same", async () => {
  assert.equal(await new Claims("/dev/null/notices").claim("anything"), true);
});
