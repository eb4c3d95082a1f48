/** Has an agent at work, started or going on: in sight, called off on demand, and asked again where its directory is claimed. */

import * as vscode from "vscode";
import type { Tools } from "./commands";
import { dataOf, isCancelled, isKind } from "./errors";
import { ErrorCode, type LaunchResult, type Methods } from "./protocol.gen";
import { keyOf } from "./roster";

/** The ways in which an agent comes to work, in words. */
const WORDS = {
  "session.launch": { doing: "Launching", calledOff: "The launch of", anyway: "Launch Anyway" },
  "session.resume": { doing: "Continuing", calledOff: "The new turn of", anyway: "Continue Anyway" },
} as const;
type Driving = keyof typeof WORDS;

/** What an agent is asked. */
export interface Order<M extends Driving> {
  readonly method: M;
  readonly params: Methods[M]["params"];
  /** What the agent is called. */
  readonly agent: string;
  /** Where the agent works, for people. */
  readonly cwd: string;
}

/** How long the tree is given to show what came to work. */
const SHOWN_MS = 5_000;

/** Has it at work and shows it in the tree; says whether it is, or whether the person has changed their mind meanwhile. */
export async function drive<M extends Driving>(tools: Tools, order: Order<M>): Promise<boolean> {
  const driven = await carryOut(tools, order);
  if (driven?.session) await reveal(tools, keyOf(driven.session));
  return driven !== undefined;
}

async function carryOut<M extends Driving>(tools: Tools, order: Order<M>): Promise<LaunchResult | undefined> {
  const { server, log, nameOf } = tools;
  const { method, params, agent, cwd } = order;
  const { doing, calledOff, anyway } = WORDS[method];
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: `${doing} ${agent}`,
    cancellable: true,
  };
  try {
    return await vscode.window.withProgress(options, (progress, token) =>
      server.requestWithProgress(method, params, token, ({ message }) => {
        if (message) progress.report({ message });
      }),
    );
  } catch (error) {
    if (isCancelled(error)) {
      void vscode.window.showInformationMessage(`${calledOff} ${agent} was called off.`);
      return undefined;
    }
    if (isKind(error, ErrorCode.directory_locked) && !params.force) {
      const { holder = "somebody" } = dataOf(error);
      return (await insist(cwd, nameOf(holder), anyway))
        ? carryOut(tools, { ...order, params: { ...params, force: true } })
        : undefined;
    }
    const { output } = dataOf(error);
    if (output) log.error(`the last output of ${agent}:\n${output}`);
    throw error;
  }
}

/** A claim is a request for peace, not a wall. */
async function insist(cwd: string, holder: string, anyway: string): Promise<boolean> {
  const detail = `${cwd}\n\nTwo that work in one directory may undo each other's work.`;
  const options = { modal: true, detail };
  const question = `That directory is locked by ${holder}. Have another agent work there?`;
  return (await vscode.window.showWarningMessage(question, options, anyway)) === anyway;
}

/** Selects the row as soon as the server has pushed it, where the view lets it through. */
async function reveal({ sessions, tree, treeView }: Tools, key: string): Promise<void> {
  if (!sessions.roster.get(key)) {
    await new Promise<void>((resolve) => {
      const listening = sessions.onChanged(() => {
        if (sessions.roster.get(key)) done();
      });
      const overdue = setTimeout(done, SHOWN_MS);
      function done(): void {
        clearTimeout(overdue);
        listening.dispose();
        resolve();
      }
    });
  }
  tree.redraw();
  const node = tree.find(key);
  if (node) await treeView.reveal(node, { select: true, focus: false });
}
