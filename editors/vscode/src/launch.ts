/** Launching an agent: which, to do what, where. */

import * as vscode from "vscode";
import type { Tools } from "./commands";
import { dataOf, isCancelled, isKind } from "./errors";
import { type AgentCard, ErrorCode, type LaunchResult, type Methods } from "./protocol.gen";
import { keyOf } from "./roster";
import { folderOf } from "./words";

type Order = Methods["session.launch"]["params"];

/** How long the tree is given to show what was launched. */
const SHOWN_MS = 5_000;

/** What was asked for in vain or not to the end: it is offered again. */
let draft = "";

/** Asks which agent is to do what, and where. */
export async function launch(tools: Tools): Promise<void> {
  const agent = await askForAgent(tools, "Launch Agent (1/3)");
  if (!agent) return;
  const prompt = await askForPrompt(`Launch ${agent.name} (2/3)`);
  if (prompt === undefined) return;
  draft = prompt;
  const cwd = await askForDirectory(`Launch ${agent.name} (3/3)`);
  if (cwd !== undefined && (await launchAndReveal(tools, { agent: agent.id, prompt, cwd }))) draft = "";
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
  const cwd = await askForDirectory(`Launch ${agent.name} with Selection (2/2)`);
  if (cwd !== undefined) await launchAndReveal(tools, { agent: agent.id, prompt, cwd });
}

/** Launches it and shows it in the tree, where the person has not changed their mind meanwhile. */
async function launchAndReveal(tools: Tools, order: Order): Promise<boolean> {
  const launched = await carryOut(tools, order);
  if (launched?.session) await reveal(tools, keyOf(launched.session));
  return launched !== undefined;
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

function askForPrompt(title: string): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title,
    prompt: "What should the agent do?",
    value: draft,
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() ? undefined : "The agent needs something to do."),
  });
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

async function carryOut(tools: Tools, order: Order): Promise<LaunchResult | undefined> {
  const { server, log, nameOf } = tools;
  const agent = nameOf(order.agent);
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: `Launching ${agent}`,
    cancellable: true,
  };
  try {
    return await vscode.window.withProgress(options, (progress, token) =>
      server.requestWithProgress("session.launch", order, token, ({ message }) => {
        if (message) progress.report({ message });
      }),
    );
  } catch (error) {
    if (isCancelled(error)) {
      void vscode.window.showInformationMessage(`The launch of ${agent} was called off.`);
      return undefined;
    }
    if (isKind(error, ErrorCode.directory_locked) && !order.force) {
      const { holder = "somebody" } = dataOf(error);
      return (await insist(order.cwd, nameOf(holder)))
        ? carryOut(tools, { ...order, force: true })
        : undefined;
    }
    const { output } = dataOf(error);
    if (output) log.error(`the last output of ${agent}:\n${output}`);
    throw error;
  }
}

/** A claim is a request for peace, not a wall. */
async function insist(cwd: string, holder: string): Promise<boolean> {
  const anyway = "Launch Anyway";
  const detail = `${cwd}\n\nTwo that work in one directory may undo each other's work.`;
  const options = { modal: true, detail };
  const question = `That directory is locked by ${holder}. Launch another agent there?`;
  const answer = await vscode.window.showWarningMessage(question, options, anyway);
  return answer === anyway;
}
