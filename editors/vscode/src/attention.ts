/** Calm signs of what needs a person: a badge, an item in the status bar, a notification. */

import * as vscode from "vscode";
import { countWaiting } from "./arrangement";
import { claim } from "./claims";
import { type Notice, noticesOf, type Topic } from "./notices";
import type { Session } from "./protocol.gen";
import type { Step } from "./roster";
import type { State } from "./server";
import { needInWords } from "./words";

export class Attention implements vscode.Disposable {
  readonly item = vscode.window.createStatusBarItem("headcount.status", vscode.StatusBarAlignment.Left);
  /** What was said, for whoever missed it; the newest last. */
  readonly said: Notice[] = [];

  constructor(
    private readonly view: vscode.TreeView<unknown>,
    private readonly nameOf: (agent: string) => string,
    private readonly claims: string,
    private readonly onOpen: (session: Session) => void,
  ) {
    this.item.name = "Headcount";
    this.item.command = "headcount.sessions.focus";
  }

  /** Shows how many sessions wait. */
  show(state: State, sessions: readonly Session[]): void {
    const waiting = countWaiting(sessions);
    const running = sessions.filter((it) => it.status === "running").length;
    const need = needInWords(waiting);
    this.view.badge = waiting ? { value: waiting, tooltip: need } : undefined;
    const off = offInWords(state);
    const few = waiting
      ? `$(bell-dot) ${waiting} ${waiting === 1 ? "needs" : "need"} you`
      : "$(organization)";
    this.item.text = off ? "$(organization) Headcount is off" : few;
    this.item.tooltip = off ?? (running ? `${need} · ${running} running` : need);
    this.item.accessibilityInformation = { label: `Headcount: ${off ?? need}` };
    this.item.show();
  }

  /** Says what these steps are worth, each once, whichever window is first. */
  async announce(steps: readonly Step[]): Promise<void> {
    const settings = vscode.workspace.getConfiguration("headcount.notify");
    const wanted = noticesOf(steps, this.nameOf).filter(({ topic }) => settings.get<boolean>(topic) === true);
    for (const notice of wanted) {
      if (!(await claim(this.claims, notice.id))) continue;
      this.said.push(notice);
      void this.say(notice);
    }
  }

  dispose(): void {
    this.item.dispose();
  }

  /** A notification takes no focus, and its one button does what a click on the row does. */
  private async say({ topic, session, text }: Notice): Promise<void> {
    const show: Record<Topic, (text: string, button: string) => Thenable<string | undefined>> = {
      waiting: vscode.window.showWarningMessage,
      failed: vscode.window.showErrorMessage,
      finished: vscode.window.showInformationMessage,
    };
    const button = session.process ? "Go to Terminal" : "Open Transcript";
    if ((await show[topic](text, button)) === button) this.onOpen(session);
  }
}

/** Why nothing is counted; nothing where it is. */
function offInWords(state: State): string | undefined {
  switch (state) {
    case "missing":
      return "the headcount program was not found";
    case "failed":
      return "the headcount server keeps ending";
    case "stopped":
    case "starting":
    case "ready":
      return undefined;
  }
}
