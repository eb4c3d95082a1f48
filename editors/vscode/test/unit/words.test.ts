import assert from "node:assert/strict";
import { test } from "node:test";
import * as words from "../../src/words";
import type { Reason, Status } from "../../src/protocol.gen";
import { session } from "./support";

test("nothing that a terminal or a reader would obey stays in a line", () => {
  assert.equal(words.oneLine("a\u001b[31m\u202eb\u0000c\u2028d"), "a [31mb c d");
  assert.equal(words.oneLine("\ufeffa\u200bb\u061cc"), "abc");
});

test("what ends with a session is told: its agent, or its turn in a service", () => {
  const process = { pid: 7, startedAt: "2026-11-22T20:00:00.000Z" };
  assert.equal(words.endInWords(session({ process })), "The agent and everything it started ends.");
  assert.equal(words.endInWords(session()), "Its turn ends; the service that it lives in goes on.");
});

test("a title is cut, a directory is not", () => {
  assert.equal(words.oneLine("x".repeat(500)).length, 500);
  assert.equal(Array.from(words.shortLine("😀".repeat(500))).length, 120);
  assert.ok(words.titleOf(session({ title: "x".repeat(500) })).endsWith("…"));
});

test("icons and links of an untrusted text are defused", () => {
  assert.equal(words.withoutIcons("$(trash) gone"), "\\$(trash) gone");
  assert.equal(words.withoutLinks("[press me](command:evil)"), "[press me] (command:evil)");
});

test("a screen reader hears title and status first", () => {
  const now = Date.parse("2026-11-22T20:05:00.000Z");
  const waiting = session({
    title: "Port the parser",
    status: "waiting",
    reason: "permission",
    cwd: "/w/api",
  });
  assert.equal(
    words.accessibleName(waiting, "Claude Code", now),
    "Port the parser, waiting for a permission, Claude Code, in api, active 5 minutes ago",
  );
  assert.match(
    words.accessibleName({ ...waiting, conflict: "two_owners" }, "x", now),
    /two processes write it/,
  );
});

test("words of a later server are shown as unknown", () => {
  const later = { ...session(), status: "dreaming" as "idle", reason: "asleep" as "question" };
  assert.equal(words.statusInWords(later), "unknown");
});

test("what is said of a session begins with its status, whatever the reason", () => {
  const reasons: Record<Status, Reason[]> = {
    waiting: ["permission", "question", "plan", "input", "login", "suspended"],
    running: ["turn_in_progress", "active_run", "process_alive"],
    idle: ["turn_ended", "never_prompted"],
    stopped: ["completed", "interrupted", "killed", "unknown_end"],
    failed: ["model_error", "auth", "exit_code", "launch_error"],
    unknown: ["process_alive", "adapter_failed", "unreachable", "unrecognised", "contradiction"],
  };
  for (const [status, each] of Object.entries(reasons) as [Status, Reason[]][]) {
    for (const reason of each)
      assert.ok(words.statusInWords(session({ status, reason })).startsWith(status), reason);
  }
});

test("times are told where the person is", () => {
  const time = new Date(2026, 10, 22, 20, 22, 31);
  assert.equal(words.clock(time.toISOString()), "2026-11-22 20:22:31");
  assert.equal(words.clock("no\ndate"), "no date");
});

test("ages that are none, and ages that are spoken", () => {
  const now = Date.parse("2026-11-22T20:00:00.000Z");
  assert.equal(words.ageOf("2026-11-22T20:00:09.000Z", now), "now");
  assert.equal(words.ageOf("no date", now), "");
  const spoken = [30, 90, 7_200, 13 * 86_400, 14 * 86_400].map((seconds) =>
    words.agoSpoken(new Date(now - seconds * 1_000).toISOString(), now),
  );
  assert.deepEqual(spoken, ["now", "1 minute ago", "2 hours ago", "13 days ago", "2 weeks ago"]);
});

test("counts and usage", () => {
  assert.deepEqual([0, 999, 1_000, 12_345, 999_499, 999_500, 1_500_000].map(words.count), [
    ...["0", "999", "1.0k", "12k", "999k", "1.0M", "1.5M"],
  ]);
  const usage = {
    inputTokens: 1_200,
    outputTokens: 10,
    cacheReadTokens: 400,
    costUsd: 0.126,
    costIsEstimate: true,
  };
  assert.equal(words.usageInWords(usage), "1.2k in · 400 cached · 10 out · about $0.13");
  assert.equal(words.usageInWords({ inputTokens: 0, outputTokens: 0 }), "0 in · 0 out");
});
