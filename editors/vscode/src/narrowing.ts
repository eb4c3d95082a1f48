/** Searching and filtering the tree. */

import * as vscode from "vscode";
import type { Tools } from "./commands";
import type { Status } from "./protocol.gen";
import { statusLabel } from "./words";

/** Narrows the tree while the text is typed; Escape brings back what was there, and who takes a row has found it. */
export async function search({ viewState, treeView }: Tools): Promise<void> {
  const before = viewState.chosen.query;
  const box = vscode.window.createInputBox();
  box.title = "Search Sessions";
  box.placeholder = "Title, prompt, directory, branch or id";
  box.value = before;
  let hasTaken = false;
  const selecting = treeView.onDidChangeSelection(({ selection }) => {
    hasTaken ||= selection.length > 0;
  });
  const accepted = await new Promise<boolean>((resolve) => {
    box.onDidChangeValue((query) => void viewState.set({ query }));
    box.onDidAccept(() => {
      resolve(true);
    });
    box.onDidHide(() => {
      resolve(hasTaken);
    });
    box.show();
  });
  selecting.dispose();
  box.dispose();
  if (!accepted) await viewState.set({ query: before });
}

const STATUSES: readonly Status[] = ["waiting", "running", "idle", "stopped", "failed", "unknown"];

export async function filter({ viewState, sessions, nameOf }: Tools): Promise<void> {
  const { statuses, agents } = viewState.chosen;
  const known = [...new Set([...sessions.roster.sessions().map((it) => it.agent), ...agents])].sort();
  const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator });
  const choices = [
    separator("Status"),
    ...STATUSES.map((status) => ({ label: statusLabel(status), status, picked: statuses.includes(status) })),
    separator("Agent"),
    ...known.map((agent) => ({ label: nameOf(agent), agent, picked: agents.includes(agent) })),
  ];
  const options = {
    canPickMany: true as const,
    title: "Filter Sessions",
    placeHolder: "Show only these; none for all",
  };
  const chosen = await vscode.window.showQuickPick(choices, options);
  if (!chosen) return;
  await viewState.set({
    statuses: chosen.flatMap((it) => ("status" in it ? [it.status] : [])),
    agents: chosen.flatMap((it) => ("agent" in it ? [it.agent] : [])),
  });
}
