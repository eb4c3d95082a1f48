/** Real terminals of a real VS Code: the one that runs a session, and new ones that resume. */

import assert from "node:assert/strict";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import * as vscode from "vscode";
import type { Session } from "../../src/protocol.gen";
import type { Test, World } from "./world";

/** A directory and a title that a shell would trip over. */
const ODD = "it's $(touch here) & there";

/** Records a session of Claude Code that has ended in that directory, and puts an agent on PATH that tells how it was called. */
function recordEnded({ home, root }: World, cwd: string): string {
  const folder = path.join(home, ".claude/projects/-home-dev-work-mobile");
  const [name = ""] = readdirSync(folder);
  const id = `0dd${name.slice(3, -".jsonl".length)}`;
  const text = readFileSync(path.join(folder, name), "utf8")
    .replaceAll(name.slice(0, -".jsonl".length), id)
    .replaceAll(JSON.stringify("/home/dev/work/mobile"), JSON.stringify(cwd));
  mkdirSync(path.join(home, ".claude/projects/-odd"));
  writeFileSync(path.join(home, ".claude/projects/-odd", `${id}.jsonl`), text);
  const agent = path.join(root, "bin/claude");
  mkdirSync(path.dirname(agent));
  writeFileSync(
    agent,
    `#!/bin/sh\nprintf '%s\\n' "$PWD" "$@" > "${root}/called.new"\nmv "${root}/called.new" "${root}/called"\n`,
  );
  chmodSync(agent, 0o755);
  return id;
}

export const tests: Record<string, Test> = {
  "the terminal that runs a session is shown": async (world) => {
    const terminal = vscode.window.createTerminal({ name: "by hand", shellPath: "/bin/sh" });
    const other = vscode.window.createTerminal({ name: "another", shellPath: "/bin/sh" });
    other.show();
    const shell = await terminal.processId;
    assert.ok(shell);
    // The shell that Claude Code runs under in the demo's process table becomes this terminal's.
    const proc = path.join(world.root, "proc");
    const stat = path.join(proc, "4303/stat");
    const told = readFileSync(stat, "utf8");
    mkdirSync(path.join(proc, String(shell)));
    for (const it of ["cmdline", "environ"]) writeFileSync(path.join(proc, String(shell), it), "");
    writeFileSync(
      path.join(proc, String(shell), "stat"),
      `${shell} (sh) S 1 ${told.replace(/^.*?S \d+ /, "")}`,
    );
    writeFileSync(stat, told.replace("S 4302 ", `S ${shell} `));
    await vscode.commands.executeCommand(
      "headcount.goToTerminal",
      world.session("Find out why the retry test is flaky"),
    );
    await world.until("it is in front", () => vscode.window.activeTerminal === terminal);
    writeFileSync(stat, told);
    other.show();
    await world.until("another is in front", () => vscode.window.activeTerminal === other);
    // Pi under the same shell, where it has no session yet: only its process is known.
    const pid = 6101;
    const pi = path.join(proc, String(pid));
    cpSync(path.join(proc, "5101"), pi, { recursive: true, verbatimSymlinks: true });
    rmSync(path.join(pi, "cwd"));
    symlinkSync("/home/dev/elsewhere", path.join(pi, "cwd"));
    const its = readFileSync(path.join(pi, "stat"), "utf8").replace(
      "5101 (pi) S 5100 ",
      `${pid} (pi) S ${shell} `,
    );
    writeFileSync(path.join(pi, "stat"), its);
    const unnamed: Session = {
      agent: "pi",
      status: "idle",
      reason: "never_prompted",
      certainty: "inferred",
      kind: "main",
      process: { pid, startedAt: "2026-11-22T20:00:00.000Z" },
    };
    await vscode.commands.executeCommand("headcount.goToTerminal", unnamed);
    await world.until("it is in front again", () => vscode.window.activeTerminal === terminal);
    await vscode.commands.executeCommand("headcount.explain", unnamed);
    const page = vscode.window.activeTextEditor?.document.getText() ?? "";
    assert.match(page, /^# New session\n\nPi · /);
    assert.match(page, /process 6101/);
    await vscode.commands.executeCommand("workbench.action.closeAllEditors");
    rmSync(pi, { recursive: true });
    terminal.dispose();
    other.dispose();
    return undefined;
  },

  "an ended session is resumed in a terminal, in its directory, word for word": async (world) => {
    const cwd = path.join(world.root, "work", ODD);
    mkdirSync(cwd);
    const id = recordEnded(world, cwd);
    const { sessions } = world.headcount;
    await world.until("it is listed", () => sessions.roster.get(`claude-code ${id}`) !== undefined);
    const bin = path.join(world.root, "bin");
    const settings = vscode.workspace.getConfiguration("terminal.integrated");
    const env = { PATH: `${bin}:/usr/bin:/bin` };
    await settings.update("env.linux", env, vscode.ConfigurationTarget.Global);
    await vscode.commands.executeCommand("headcount.resume", sessions.roster.get(`claude-code ${id}`));
    const called = path.join(world.root, "called");
    await world.until("the agent is called", () => existsSync(called));
    assert.deepEqual(readFileSync(called, "utf8").trimEnd().split("\n"), [cwd, "--resume", id]);
    assert.ok(!existsSync(path.join(cwd, "here")), "nothing in the name of a directory is obeyed");
    for (const it of vscode.window.terminals) it.dispose();
    return undefined;
  },
};
