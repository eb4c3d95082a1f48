import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentReport, Problem } from "../../src/protocol.gen";
import {
  NO_TROUBLE,
  problemInWords,
  together,
  troubleInWords,
  unseenAgents,
  whereSeen,
} from "../../src/trouble";

const problem = (message: string): Problem => ({ kind: "unreadable", message });
const report = (told: Partial<AgentReport>): AgentReport => ({
  agent: "codex",
  outcome: "ok",
  sessions: 0,
  elapsedMs: 1,
  problems: [],
  ...told,
});
const lines = (...reports: AgentReport[]) => troubleInWords({ ...NO_TROUBLE, reports }, (it) => `<${it}>`);

test("an agent that cannot be looked at is named, with the reason", () => {
  assert.deepEqual(lines(report({}), report({ outcome: "absent" })), []);
  assert.deepEqual(lines(report({ outcome: "timed_out" })), [
    "<codex> cannot be looked at: it takes too long",
  ]);
  const failed = report({ outcome: "failed", problems: [problem("the store is on fire")] });
  assert.deepEqual(lines(failed), ["<codex> cannot be looked at: the store is on fire"]);
});

test("records that cannot be read are counted, all of them", () => {
  assert.deepEqual(lines(report({ problems: [problem("a")] })), [
    "One record cannot be read; the log says which.",
  ]);
  assert.deepEqual(lines(report({ problems: [problem("a"), problem("b")], problemsOmitted: 40 })), [
    "42 records cannot be read; the log says which.",
  ]);
});

test("the log names the record that cannot be read", () => {
  const torn = problem("none of its lines is a record");
  assert.equal(problemInWords(torn), "none of its lines is a record");
  assert.equal(problemInWords({ ...torn, path: "/s/a.jsonl" }), "none of its lines is a record (/s/a.jsonl)");
  assert.equal(
    problemInWords({ ...torn, path: "/s/a.jsonl", line: 3 }),
    "none of its lines is a record (/s/a.jsonl:3)",
  );
});

test("without a list, and without eyes, that is said", () => {
  const trouble = { reports: [], problems: [problem("too many\nwatches")], failure: "no such method" };
  assert.deepEqual(
    troubleInWords(trouble, (it) => it),
    ["The sessions cannot be listed: no such method", "too many watches"],
  );
});

test("once the server pushes, only the reports of agents that were seen hold", () => {
  const seen = report({ agent: "gemini", problems: [problem("a")] });
  const reports = [report({ outcome: "timed_out" }), seen, report({ agent: "pi", outcome: "failed" })];
  assert.deepEqual(whereSeen(reports), [seen]);
  assert.deepEqual(unseenAgents(reports), new Set(["codex", "pi"]));
});

test("the same problem told twice is one", () => {
  const [a, b] = [problem("a"), problem("b")];
  assert.deepEqual(together([a], [{ ...a }, b]), [a, b]);
});
