/** What headcount itself keeps: ended launches are forgotten, directories are released. */

import * as vscode from "vscode";
import type { Tools } from "./commands";
import type { Forgotten, Lock, PruneReason, ReleasedClaim } from "./protocol.gen";
import { sessionKey } from "./roster";
import { ageOf, oneLine, titleOf, withoutIcons, wordFor } from "./words";

/** Lines of a preview that fit a dialog. */
const PREVIEW_LINES = 20;

const WHY: Record<PruneReason, string> = {
  ended: "it has ended",
  process_gone: "its process is gone",
  expired: "it has expired",
};

export async function prune(tools: Tools): Promise<void> {
  const { server } = tools;
  const { forgotten, released } = await server.request("session.prune", { dryRun: true });
  const lines = [
    ...forgotten.map((it) => `Launch of ${launchInWords(tools, it)}`),
    ...released.map((it) => `Lock on ${releaseInWords(tools, it)}`),
  ];
  if (!lines.length) {
    void vscode.window.showInformationMessage("There is nothing to forget: every launch and lock is in use.");
    return;
  }
  const more = lines.length - PREVIEW_LINES;
  const shown = more > 0 ? [...lines.slice(0, PREVIEW_LINES), `… and ${more} more`] : lines;
  const detail = `${shown.map(oneLine).join("\n")}\n\nThe agents' own sessions stay.`;
  const confirm = "Forget";
  const question = lines.length === 1 ? "Forget one entry?" : `Forget ${lines.length} entries?`;
  if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, confirm)) !== confirm)
    return;
  await server.request("session.prune", {});
}

function launchInWords({ sessions, nameOf }: Tools, { sessionId, agent, reason }: Forgotten): string {
  const session = sessionId === undefined ? undefined : sessions.roster.get(sessionKey(agent, sessionId));
  const title = session ? `, “${titleOf(session)}”` : "";
  return `${nameOf(agent)}${title}: ${why(reason)}`;
}

function releaseInWords({ nameOf }: Tools, { directory, holder, reason }: ReleasedClaim): string {
  return `${directory}, held by ${nameOf(holder)}: ${why(reason)}`;
}

function why(reason: PruneReason): string {
  return wordFor(WHY, reason) ?? reason;
}

export async function showLocks(tools: Tools): Promise<void> {
  const { server, nameOf } = tools;
  const { locks } = await server.request("lock.list", {});
  if (!locks.length) {
    void vscode.window.showInformationMessage("No directory is locked.");
    return;
  }
  const now = Date.now();
  const choices = locks.map((lock) => ({
    label: withoutIcons(lock.directory),
    description: withoutIcons(oneLine(lockInWords(lock, nameOf, now))),
    detail: withoutIcons(oneLine(lock.reason ?? "")),
    lock,
  }));
  const canRelease = vscode.workspace.isTrusted && server.can("lock.release");
  const placeHolder = canRelease ? "Locked directories; pick one to release it" : "Locked directories";
  const choice = await vscode.window.showQuickPick(choices, { placeHolder, matchOnDescription: true });
  if (choice && canRelease) await release(tools, choice.lock);
}

function lockInWords({ by, kind, since }: Lock, nameOf: (agent: string) => string, now: number): string {
  const age = ageOf(since, now);
  const time = age === "now" ? "since just now" : `for ${age}`;
  return kind === "launch" ? `${nameOf(by)} works there, ${time}` : `held by ${by}, ${time}`;
}

async function release({ server, nameOf }: Tools, lock: Lock): Promise<void> {
  const { directory, by, kind } = lock;
  const confirm = "Release";
  const warning =
    kind === "launch" ? "\n\nThe agent goes on; another one may then be launched beside it." : "";
  const detail = `${directory}\nheld by ${nameOf(by)}${warning}`;
  const options = { modal: true, detail };
  const answer = await vscode.window.showWarningMessage("Release this directory?", options, confirm);
  // The one that was shown, and not what has taken its place while the question stood there.
  const claim = kind === "launch" ? { force: true } : { by };
  if (answer === confirm) await server.request("lock.release", { directory, ...claim });
}
