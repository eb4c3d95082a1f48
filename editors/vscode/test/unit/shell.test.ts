import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { quoted, quotedIn } from "../../src/shell";

const ODD = [
  "a b",
  "it's",
  "$(rm)",
  "`id`",
  "",
  "-x;y",
  "=ls",
  "~",
  "*",
  "a\\b",
  "two\nlines",
  "!!",
  "ü 😀",
  '"',
];

test("a shell gets every word as it is", () => {
  const line = quoted(["printf", "%s\\0", ...ODD]);
  assert.equal(execFileSync("sh", ["-c", line], { encoding: "utf8" }), ODD.map((it) => `${it}\0`).join(""));
});

test("what needs no quotes has none", () => {
  const words = ["claude", "--resume=0123-abc", "/w/api", "a:b"];
  assert.equal(quoted(words), words.join(" "));
});

test("fish and PowerShell are quoted for in their own ways", () => {
  assert.equal(quoted(["pi", "it's a\\b"], "/usr/bin/fish"), "pi 'it\\'s a\\\\b'");
  assert.equal(quoted(["pi", "it's"], "/usr/bin/pwsh"), "pi 'it''s'");
  assert.equal(quoted(["/my pi", "x"], "/usr/bin/pwsh"), "& '/my pi' x");
  assert.equal(quoted(["pi", "it's"], "/bin/zsh"), "pi 'it'\\''s'");
});

test("a command line goes where the session is", () => {
  assert.equal(quotedIn("/w/my repo", ["pi"]), "cd '/w/my repo' && pi");
  assert.equal(quotedIn(undefined, ["pi"]), "pi");
});
