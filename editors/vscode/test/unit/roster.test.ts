import assert from "node:assert/strict";
import { test } from "node:test";
import type { Session } from "../../src/protocol.gen";
import { changed, keyOf, Roster } from "../../src/roster";
import { session } from "./support";

test("changes become steps, and what was never known is no step from anything", () => {
  const roster = new Roster();
  const [before, after] = [session({ status: "running" }), session({ status: "waiting" })];
  assert.deepEqual(roster.apply([{ kind: "added", session: before }]), [{ after: before, isBorn: true }]);
  assert.deepEqual(roster.apply([{ kind: "changed", session: after }]), [{ before, after }]);
  assert.deepEqual(roster.apply([{ kind: "removed", session: after }]), [{ before: after }]);
  assert.equal(roster.size, 0);
});

test("what was active before we looked is not born when it is told", () => {
  const since = "2026-11-22T20:00:00.000Z";
  const born = (told: Partial<Session>) =>
    new Roster().apply([{ kind: "added", session: session(told) }], since)[0]?.isBorn;
  assert.equal(born({ updatedAt: since }), undefined);
  assert.equal(born({ updatedAt: "2026-11-22T20:00:00.001Z" }), true);
  const { updatedAt: _, ...undated } = session();
  const process = { pid: 7, startedAt: "2026-11-22T19:00:00.000Z" };
  assert.deepEqual(new Roster().apply([{ kind: "added", session: { ...undated, process } }], since), [
    { after: { ...undated, process } },
  ]);
});

test("a part of a list leaves the others, and what is new in it is no news", () => {
  const roster = new Roster();
  const [kept, fresh] = [session({ sessionId: "kept" }), session({ sessionId: "fresh" })];
  roster.replace([kept]);
  assert.deepEqual(roster.update([fresh]), []);
  assert.equal(roster.size, 2);
});

test("a whole list drops what is not in it, and steps only from what was known", () => {
  const roster = new Roster();
  const [kept, gone, fresh] = [
    session({ sessionId: "kept" }),
    session({ sessionId: "gone" }),
    session({ sessionId: "fresh" }),
  ];
  roster.replace([kept, gone]);
  assert.deepEqual(roster.replace([fresh, kept]), [{ before: kept, after: kept }]);
  assert.deepEqual(
    roster
      .sessions()
      .map((it) => it.sessionId)
      .sort(),
    ["fresh", "kept"],
  );
});

test("changes are made to a list as they were told", () => {
  const [kept, gone] = [session({ sessionId: "kept" }), session({ sessionId: "gone" })];
  const [now, fresh] = [session({ ...kept, status: "running" }), session({ sessionId: "fresh" })];
  const told = changed(
    [kept, gone],
    [
      { kind: "changed", session: now },
      { kind: "removed", session: gone },
      { kind: "added", session: fresh },
    ],
  );
  assert.deepEqual(told, [now, fresh]);
});

test("a whole list drops nothing of an agent that it could not look at, and takes nothing of it", () => {
  const roster = new Roster();
  const [slow, gone] = [session({ agent: "slow", status: "running" }), session({ agent: "quick" })];
  roster.replace([slow, gone]);
  const doubted = session({ agent: "slow", status: "unknown" });
  assert.deepEqual(roster.replace([doubted], new Set(["slow"])), []);
  assert.deepEqual(roster.sessions(), [slow]);
});

test("a live agent without a session is told apart by its process", () => {
  const process = { pid: 7, startedAt: "2026-11-22T20:00:00.000Z" };
  const { sessionId: _, ...unnamed } = session({ process });
  assert.equal(keyOf({ ...unnamed, sessionId: "abc" }), "claude-code abc");

  const another = { ...unnamed, process: { pid: 7, startedAt: "2026-11-22T21:00:00.000Z" } };
  const roster = new Roster();
  roster.replace([unnamed]);
  roster.apply([
    { kind: "added", session: another },
    { kind: "removed", session: unnamed },
  ]);
  assert.deepEqual(roster.sessions(), [another]);
});

test("a status of a later server stands with what is over", () => {
  const roster = new Roster();
  const later = { ...session({ sessionId: "later" }), status: "dreaming" as "idle" };
  roster.replace([later, session({ sessionId: "runs", status: "running" })]);
  assert.deepEqual(
    roster.sessions().map((it) => it.sessionId),
    ["runs", "later"],
  );
});
