/** Calm signs of what needs a person: a badge, an item in the status bar, a notification. */

import { setTimeout as sleep } from "node:timers/promises";
import * as vscode from "vscode";
import { countLive, isWithin } from "./arrangement";
import { Claims } from "./claims";
import { type Notice, noticesOf, type Topic } from "./notices";
import type { Session } from "./protocol.gen";
import type { Step } from "./roster";
import type { State } from "./server";
import { needInWords } from "./words";

/** How much earlier than all other windows the one says it that is looked at, or that holds the session's folder. */
const HEAD_START_MS = 300;

export class Attention implements vscode.Disposable {
  readonly item = vscode.window.createStatusBarItem("headcount.status", vscode.StatusBarAlignment.Left);
  private readonly claims: Claims;
  private readonly saidEmitter = new vscode.EventEmitter<Notice>();
  /** This window has said something. */
  readonly onSaid = this.saidEmitter.event;

  constructor(
    private readonly view: vscode.TreeView<unknown>,
    private readonly nameOf: (agent: string) => string,
    claims: string,
    private readonly onOpen: (session: Session) => void,
  ) {
    this.claims = new Claims(claims);
    this.item.name = "Headcount";
    this.item.command = "headcount.sessions.focus";
  }

  /** Shows how many sessions wait; nothing of those that are not known yet. */
  show(state: State, sessions: readonly Session[] | undefined): void {
    const { waiting, running } = countLive(sessions ?? []);
    const off = offInWords(state);
    const need = off ?? (sessions ? needInWords(waiting) : "Looking for sessions…");
    this.view.badge = waiting ? { value: waiting, tooltip: need } : undefined;
    const few = waiting
      ? `$(bell-dot) ${waiting} ${waiting === 1 ? "needs" : "need"} you`
      : "$(organization)";
    this.item.text = off ? "$(organization) Headcount is off" : few;
    this.item.tooltip = running ? `${need} · ${running} running` : need;
    this.item.accessibilityInformation = { label: `Headcount: ${need}` };
    this.item.show();
  }

  /** Says what these steps are worth, each once, in the window that is nearest to the person or the session. */
  announce(steps: readonly Step[]): void {
    const settings = vscode.workspace.getConfiguration("headcount.notify");
    const wanted = noticesOf(steps, this.nameOf).filter(({ topic }) => settings.get<boolean>(topic) === true);
    for (const notice of wanted) void this.sayOnce(notice);
  }

  dispose(): void {
    this.item.dispose();
    this.saidEmitter.dispose();
  }

  private async sayOnce(notice: Notice): Promise<void> {
    if (!isNear(notice.session)) await sleep(HEAD_START_MS);
    if (!(await this.claims.claim(notice.id))) return;
    this.saidEmitter.fire(notice);
    await this.say(notice);
  }

  /** A notification takes no focus, and its one button leads to the session: to its terminal while it lives. */
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

function isNear({ cwd }: Session): boolean {
  const folders = vscode.workspace.workspaceFolders ?? [];
  return vscode.window.state.focused || folders.some(({ uri }) => isWithin(cwd, uri.fsPath));
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
