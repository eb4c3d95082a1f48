import assert from "node:assert/strict";
import { test } from "node:test";
import { evidencePage, fileName, transcriptPage } from "../../src/pages";
import type { Problem } from "../../src/protocol.gen";
import { session } from "./support";

test("a transcript reads from the top", () => {
  const page = transcriptPage(
    session({
      title: "Port the parser",
      status: "waiting",
      reason: "permission",
      cwd: "/w/api",
      branch: "main",
    }),
    {
      turns: [
        { role: "user", at: new Date(2026, 10, 22, 20, 22, 31).toISOString(), text: "port it\n" },
        { role: "assistant", text: "on it" },
        { role: "tool", tool: "Bash", text: "cargo test", truncated: true },
      ],
      earlier: true,
    },
    "Claude Code",
  );
  assert.equal(
    page,
    `# Port the parser

Claude Code · waiting for a permission · /w/api · main

[Earlier turns are not shown.]

## You — 2026-11-22 20:22:31

port it

## Claude Code

on it

## Tool: Bash

cargo test

[…]
`,
  );
});

test("a transcript that cannot be read is not said to be empty", () => {
  const page = (problems: Problem[] = []) =>
    transcriptPage(session({}), { turns: [], earlier: false, problems }, "Codex");
  assert.match(page(), /\n\n\[Nothing was said yet\.\]\n$/);
  const problem: Problem = { kind: "unreadable", message: "permission denied", path: "/s/a.jsonl" };
  const told = page([problem]);
  assert.match(told, /\n\n\[The turns cannot be shown: permission denied \(\/s\/a\.jsonl\)\]\n$/);
  assert.doesNotMatch(told, /Nothing was said/);
});

test("words of a later server stand as they are", () => {
  const told = session({
    certainty: "guessed" as "inferred",
    evidence: [{ source: "oracle" as "lock", observedAt: "2026-11-22T20:22:31.081Z", says: "so it is" }],
  });
  const turns = [{ role: "narrator" as "user", text: "once" }];
  assert.match(transcriptPage(told, { turns, earlier: false }, "Claude Code"), /## narrator\n\nonce/);
  const page = evidencePage({ session: told, ancestors: [], complete: true, agents: [] }, "Claude Code");
  assert.match(page, /- Certainty: guessed\n/);
  assert.match(page, /- oracle: so it is\n/);
});

test("an explanation has every step of the evidence", () => {
  const told = session({
    title: "T",
    evidence: [{ source: "registry", observedAt: "2026-11-22T20:22:31.081Z", says: "status busy" }],
    usage: { inputTokens: 1, outputTokens: 2 },
  });
  const page = evidencePage({ session: told, ancestors: [], complete: false, agents: [] }, "Claude Code");
  assert.match(
    page,
    /- Status: idle \(turn ended\)\n- Certainty: asserted: the agent itself or the system says so/,
  );
  assert.match(page, /- the agent's record of its live processes: status busy/);
  assert.match(page, /- Tokens: 1 in · 2 out/);
  assert.match(page, /Not everything could be looked at/);
});

test("a title becomes a file name that no path or address can misread", () => {
  assert.equal(fileName(session({ title: "../../etc/passwd?x#y%41" })), "etc passwd x y 41");
  assert.equal(fileName(session({ title: "///" })), "session");
  assert.equal(Array.from(fileName(session({ title: "y".repeat(100) }))).length, 60);
});
