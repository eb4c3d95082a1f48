import assert from "node:assert/strict";
import { test } from "node:test";
import { facetsOf } from "../../src/facets";
import { session } from "./support";

const process = { pid: 7, startedAt: "2026-11-22T20:00:00.000Z" };

test("what can be done with a session follows from its id, its process, its status, its kind and its directory", () => {
  const live = session({ status: "running", process });
  assert.deepEqual(facetsOf(live), ["known", "live", "stoppable", "own"]);
  assert.deepEqual(facetsOf({ ...live, kind: "subagent" }), ["known", "live"]);
  assert.deepEqual(facetsOf(session({ status: "stopped" })), ["known", "own", "resumable"]);
  assert.deepEqual(facetsOf(session({ status: "failed", kind: "subagent" })), ["known"]);
  const { sessionId: _, ...unnamed } = live;
  assert.deepEqual(facetsOf(unnamed), ["live", "stoppable"], "its process names it");
  assert.deepEqual(facetsOf({ ...unnamed, kind: "subagent" }), ["live"]);
  assert.deepEqual(facetsOf({ ...unnamed, kind: "subagent", cwd: "/work" }), ["live", "placed"]);
});
