/** Launching an agent: which, to do what, where. */

import * as vscode from "vscode";
import { dataOf, inWords, isCancelled, isKind } from "./errors";
import { type AgentCard, ErrorCode, type LaunchResult, type Methods } from "./protocol.gen";
import type { Server } from "./server";
import { folderOf } from "./words";

type Order = Methods["session.launch"]["params"];

/** Asks what to launch, launches it, and returns what came of it; nothing where the person changed their mind. */
export async function launch(
  server: Server,
  log: vscode.LogOutputChannel,
): Promise<LaunchResult | undefined> {
  const order = await askForOrder(server.abilities.agents);
  return order && carryOut(server, order, log);
}

async function askForOrder(cards: readonly AgentCard[]): Promise<Order | undefined> {
  const choices = cards.map((card) => ({ label: card.name, description: card.binaries.join(", "), card }));
  const choice = await vscode.window.showQuickPick(choices, {
    title: "Launch Agent (1/3)",
    placeHolder: "Which agent?",
    matchOnDescription: true,
  });
  if (!choice) return undefined;
  const prompt = await vscode.window.showInputBox({
    title: `Launch ${choice.label} (2/3)`,
    prompt: "What should the agent do?",
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() ? undefined : "The agent needs something to do."),
  });
  if (prompt === undefined) return undefined;
  const cwd = await askForDirectory(`Launch ${choice.label} (3/3)`);
  return cwd === undefined ? undefined : { agent: choice.card.id, prompt, cwd };
}

async function askForDirectory(title: string): Promise<string | undefined> {
  const folders = (vscode.workspace.workspaceFolders ?? []).filter((it) => it.uri.scheme === "file");
  const choices = folders.map(({ uri }) => ({ label: folderOf(uri.fsPath), description: uri.fsPath }));
  const other = { label: "$(folder-opened) Another directory…", description: "" };
  const choice = await vscode.window.showQuickPick([...choices, other], { title, placeHolder: "Where?" });
  if (!choice) return undefined;
  if (choice !== other) return choice.description;
  const picked = await vscode.window.showOpenDialog({ canSelectFolders: true, canSelectFiles: false, title });
  return picked?.[0]?.fsPath;
}

async function carryOut(
  server: Server,
  order: Order,
  log: vscode.LogOutputChannel,
): Promise<LaunchResult | undefined> {
  const agent = server.abilities.agents.find((it) => it.id === order.agent)?.name ?? order.agent;
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
      // The server detaches what it starts: to cancel is to stop waiting.
      const text = `${agent} is not waited for any more. If it had started already, it goes on and is in the list.`;
      void vscode.window.showInformationMessage(text);
      return undefined;
    }
    if (isKind(error, ErrorCode.directory_locked) && !order.force) {
      return (await insist(inWords(error))) ? carryOut(server, { ...order, force: true }, log) : undefined;
    }
    const { output } = dataOf(error);
    if (output) log.error(`the last output of ${agent}:\n${output}`);
    throw error;
  }
}

/** A claim is a request for peace, not a wall. */
async function insist(why: string): Promise<boolean> {
  const anyway = "Launch Anyway";
  const options = { modal: true, detail: why };
  const answer = await vscode.window.showWarningMessage("Somebody works in that directory.", options, anyway);
  return answer === anyway;
}
