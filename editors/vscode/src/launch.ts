/** Launching an agent, or letting a session go on: which, to do what, where. */

import * as vscode from "vscode";
import type { Tools } from "./commands";
import { drive } from "./driving";
import type { AgentCard, Session } from "./protocol.gen";
import { folderOf, titleOf } from "./words";

/** What was asked for in vain or not to the end: it is offered again. */
let draft = "";

/** Asks which agent is to do what, and where. */
export async function launch(tools: Tools): Promise<void> {
  const agent = await askForAgent(tools, "Launch Agent (1/3)");
  if (!agent) return;
  await withPrompt(`Launch ${agent.name} (2/3)`, (prompt) =>
    launchThere(tools, agent, prompt, `Launch ${agent.name} (3/3)`),
  );
}

/** The same with what is selected in the editor for a prompt, which may have many lines. */
export async function launchWithSelection(tools: Tools): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  const prompt = editor?.document.getText(editor.selection) ?? "";
  if (!prompt.trim()) {
    void vscode.window.showInformationMessage("Select in an editor what the agent should do.");
    return;
  }
  const agent = await askForAgent(tools, "Launch Agent with Selection (1/2)");
  if (!agent) return;
  await launchThere(tools, agent, prompt, `Launch ${agent.name} with Selection (2/2)`);
}

/** Asks for the directory; says whether an agent works there now. */
async function launchThere(tools: Tools, card: AgentCard, prompt: string, title: string): Promise<boolean> {
  const cwd = await askForDirectory(title);
  if (cwd === undefined) return false;
  const params = { agent: card.id, prompt, cwd };
  return drive(tools, { method: "session.launch", params, agent: card.name, cwd });
}

/** Lets a session that nobody owns go on, detached, with a prompt: by hand it would take a terminal. */
export async function continueSession(tools: Tools, session: Session): Promise<void> {
  const { agent, sessionId, cwd = "" } = session;
  if (sessionId === undefined) return;
  await withPrompt(`Continue ${titleOf(session)}`, (prompt) =>
    drive(tools, {
      method: "session.resume",
      params: { agent, sessionId, prompt },
      agent: tools.nameOf(agent),
      cwd,
    }),
  );
}

/** The agents of which something is installed or stored here come first. */
function choicesOf({ server, sessions }: Tools): (vscode.QuickPickItem & { card?: AgentCard })[] {
  const absent = new Set(
    sessions.trouble.reports.filter((it) => it.outcome === "absent").map((it) => it.agent),
  );
  const { agents } = server.abilities;
  const choice = (card: AgentCard) => ({ label: card.name, description: card.binaries.join(", "), card });
  const elsewhere = agents.filter((it) => absent.has(it.id)).map(choice);
  return [
    ...agents.filter((it) => !absent.has(it.id)).map(choice),
    ...(elsewhere.length
      ? [{ label: "Not seen on this machine", kind: vscode.QuickPickItemKind.Separator }, ...elsewhere]
      : []),
  ];
}

async function askForAgent(tools: Tools, title: string): Promise<AgentCard | undefined> {
  const options = { title, placeHolder: "Which agent?", matchOnDescription: true };
  return (await vscode.window.showQuickPick(choicesOf(tools), options))?.card;
}

/** Asks what is to be done, and keeps what came to nothing for the next time. */
async function withPrompt(title: string, send: (prompt: string) => Promise<boolean>): Promise<void> {
  const prompt = await vscode.window.showInputBox({
    title,
    prompt: "What should the agent do?",
    value: draft,
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() ? undefined : "The agent needs something to do."),
  });
  if (prompt === undefined) return;
  draft = prompt;
  if (await send(prompt)) draft = "";
}

async function askForDirectory(title: string): Promise<string | undefined> {
  const folders = (vscode.workspace.workspaceFolders ?? []).filter((it) => it.uri.scheme === "file");
  const choices = folders.map(({ uri }) => ({ label: folderOf(uri.fsPath), description: uri.fsPath }));
  const other = { label: "$(folder-opened) Another directory…", description: "" };
  const choice = await vscode.window.showQuickPick([...choices, other], {
    title,
    placeHolder: "Where?",
    ignoreFocusOut: true,
  });
  if (!choice) return undefined;
  if (choice !== other) return choice.description;
  const picked = await vscode.window.showOpenDialog({ canSelectFolders: true, canSelectFiles: false, title });
  return picked?.[0]?.fsPath;
}
