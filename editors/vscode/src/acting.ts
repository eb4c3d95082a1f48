/** What a person does with one session: go to its terminal or its directory, resume it, stop it. */

import * as vscode from "vscode";
import type { Tools } from "./commands";
import { isAlive } from "./facets";
import { inView } from "./progress";
import type { Session, StatusResult } from "./protocol.gen";
import { whichOf } from "./roster";
import { quotedIn } from "./shell";
import { resumeInTerminal, terminalOf, whereItRuns } from "./terminals";
import { endInWords, titleOf } from "./words";

function statusOf({ server }: Tools, session: Session): Thenable<StatusResult> {
  return inView(() => server.request("session.status", whichOf(session)));
}

export async function resume(tools: Tools, known: Session): Promise<void> {
  const status = await statusOf(tools, known);
  if (status.session.process) {
    const go = "Go to Terminal";
    const text = "A live process owns this session: resuming it would make two.";
    if ((await vscode.window.showInformationMessage(text, go)) === go) await showTerminal(status);
    return;
  }
  const command = resumeCommandOf(tools, status);
  if (isAlive(status.session)) {
    const text = "This session is alive, though nothing says in which process: resuming it would make two.";
    void vscode.window.showInformationMessage(text);
    return;
  }
  resumeInTerminal(status.session, command);
}

function resumeCommandOf(
  { nameOf }: Tools,
  { session, resume }: StatusResult,
): NonNullable<StatusResult["resume"]> {
  if (!resume) throw new Error(`no command is known that resumes a session of ${nameOf(session.agent)}`);
  return resume;
}

export async function copyResumeCommand(tools: Tools, known: Session): Promise<void> {
  const status = await statusOf(tools, known);
  const { command, cwd } = resumeCommandOf(tools, status);
  const line = quotedIn(cwd ?? status.session.cwd, command, vscode.env.shell);
  await vscode.env.clipboard.writeText(line);
}

export async function goToTerminal(tools: Tools, session: Session): Promise<void> {
  await showTerminal(await statusOf(tools, session));
}

async function showTerminal({ session, ancestors }: StatusResult): Promise<void> {
  const terminal = await terminalOf(ancestors);
  if (terminal) terminal.show();
  else void vscode.window.showInformationMessage(whereItRuns(session, ancestors));
}

/** Another window, since this one is at work on something else. */
export async function openDirectory(_: Tools, { cwd }: Session): Promise<void> {
  if (cwd === undefined) return;
  await vscode.commands.executeCommand("vscode.openFolder", vscode.Uri.file(cwd), { forceNewWindow: true });
}

export async function stop({ server, nameOf }: Tools, session: Session): Promise<void> {
  const { agent, cwd } = session;
  const confirm = "Stop";
  const detail = `${titleOf(session)}\n${cwd ?? ""}\n\n${endInWords(session)} What it wrote stays.`;
  const options = { modal: true, detail };
  const question = `Stop this session of ${nameOf(agent)}?`;
  if ((await vscode.window.showWarningMessage(question, options, confirm)) !== confirm) return;
  const progress = { location: vscode.ProgressLocation.Window, title: `Stopping ${nameOf(agent)}` };
  const { outcome, survivors } = await vscode.window.withProgress(progress, () =>
    server.request("session.stop", whichOf(session)),
  );
  if (survivors.length) {
    const pids = survivors.map((it) => it.pid).join(", ");
    void vscode.window.showWarningMessage(
      `The session was told to stop; these processes still live: ${pids}.`,
    );
  } else if (outcome === "already_stopped") {
    void vscode.window.showInformationMessage("No live process owned this session any more.");
  }
}
