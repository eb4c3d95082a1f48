/** Terminals: going to the one that runs a session, and resuming a session in a new one. */

import * as vscode from "vscode";
import type { Ancestor, ResumeCommand, Session } from "./protocol.gen";
import { quoted } from "./shell";
import { folderOf, oneLine, titleOf } from "./words";

/** The terminal of this window that a process belongs to: one whose shell is the process or an ancestor. */
export async function terminalOf(ancestors: readonly Ancestor[]): Promise<vscode.Terminal | undefined> {
  const pids = await Promise.all(vscode.window.terminals.map((it) => it.processId));
  const shells = new Map(pids.map((pid, at) => [pid, vscode.window.terminals[at]]));
  return ancestors.map(({ pid }) => shells.get(pid)).find((it) => it !== undefined);
}

/** Where a session runs, when it is in no terminal of this window. */
export function whereItRuns(session: Session, ancestors: readonly Ancestor[]): string {
  const pid = session.process?.pid;
  if (pid === undefined) return "No live process owns this session.";
  const names = ancestors.map((it) => oneLine(it.name)).filter((it) => it !== "");
  const chain = names.length ? `: ${names.join(" ← ")}` : "";
  return `It runs outside the terminals of this window, as process ${pid}${chain}.`;
}

/** Opens a terminal in the session's directory and types the command there: the shell's own environment finds the agent. */
export function resumeInTerminal(session: Session, { command, cwd }: ResumeCommand): vscode.Terminal {
  const directory = cwd ?? session.cwd;
  const place = directory === undefined ? "" : ` (${folderOf(directory)})`;
  const terminal = vscode.window.createTerminal({
    name: `${titleOf(session).slice(0, 40)}${place}`,
    ...(directory !== undefined && { cwd: directory }),
  });
  terminal.show();
  terminal.sendText(quoted(command, vscode.env.shell));
  return terminal;
}
