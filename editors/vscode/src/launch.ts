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

/** Asks what to launch, launches it, and shows it in the tree; nothing where the person changed their mind. */
export async function launchAndReveal(tools: Tools): Promise<void> {
  const order = await askForOrder(tools);
  const launched = order && (await carryOut(tools, order));
  if (launched) draft = "";
  if (launched?.session) await reveal(tools, keyOf(launched.session));
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

async function askForOrder(tools: Tools): Promise<Order | undefined> {
  const choice = await vscode.window.showQuickPick(choicesOf(tools), {
    title: "Launch Agent (1/3)",
    placeHolder: "Which agent?",
    matchOnDescription: true,
  });
  if (!choice?.card) return undefined;
  const prompt = await vscode.window.showInputBox({
    title: `Launch ${choice.label} (2/3)`,
    prompt: "What should the agent do?",
    value: draft,
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() ? undefined : "The agent needs something to do."),
  });
  if (prompt === undefined) return undefined;
  draft = prompt;
  const cwd = await askForDirectory(`Launch ${choice.label} (3/3)`);
  return cwd === undefined ? undefined : { agent: choice.card.id, prompt, cwd };
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
