/** The commands: one table, id to function. */

import * as vscode from "vscode";
import { type GroupBy } from "./arrangement";
import { type Documents } from "./documents";
import { inWords, isCancelled } from "./errors";
import { launch } from "./launch";
import type { Session, Status, StatusResult } from "./protocol.gen";
import { keyOf } from "./roster";
import type { Server } from "./server";
import type { Sessions } from "./sessions";
import { quotedIn } from "./shell";
import { resumeInTerminal, terminalOf, whereItRuns } from "./terminals";
import type { MoreNode, Node, Tree } from "./tree";
import type { ViewState } from "./view-state";
import { ageOf, oneLine, statusInWords, titleOf, withoutIcons, withoutLinks } from "./words";

/** What the commands work with. */
export interface Tools {
  readonly log: vscode.LogOutputChannel;
  readonly server: Server;
  readonly sessions: Sessions;
  readonly tree: Tree;
  readonly treeView: vscode.TreeView<Node>;
  readonly viewState: ViewState;
  readonly documents: Documents;
  readonly nameOf: (agent: string) => string;
}

/** What a command is given: a node by the tree's menus, a session by a row or a notification, nothing by the palette. */
type Subject = Node | Session | undefined;
type Command = (tools: Tools, subject: Subject) => unknown;

const COMMANDS: Record<string, Command> = {
  "headcount.launch": launchAndReveal,
  "headcount.refresh": ({ sessions }) => sessions.refresh(),
  "headcount.openTranscript": onSession(({ documents }, session) => documents.open(session, "transcript")),
  "headcount.explain": onSession(({ documents }, session) => documents.open(session, "evidence")),
  "headcount.resume": onSession(resume),
  "headcount.goToTerminal": onSession(goToTerminal),
  "headcount.stop": onSession(stop),
  "headcount.copyId": onSession((_, { sessionId }) => vscode.env.clipboard.writeText(sessionId ?? "")),
  "headcount.copyResumeCommand": onSession(copyResumeCommand),
  "headcount.prune": prune,
  "headcount.showLocks": showLocks,
  "headcount.showLog": ({ log }) => {
    log.show(true);
  },
  "headcount.restart": ({ server }) => server.restart(),
  "headcount.search": search,
  "headcount.filter": filter,
  "headcount.showAll": ({ viewState }) =>
    viewState.set({ query: "", statuses: [], agents: [], thisWorkspace: false }),
  "headcount.onlyThisWorkspace": ({ viewState }) => viewState.set({ thisWorkspace: true }),
  "headcount.everyWorkspace": ({ viewState }) => viewState.set({ thisWorkspace: false }),
  "headcount.groupByStatus": groupBy("status"),
  "headcount.groupByFolder": groupBy("folder"),
  "headcount.groupByAgent": groupBy("agent"),
  "headcount.showMore": ({ tree }, subject) => {
    tree.showMore(subject as MoreNode);
  },
};

/** Registers every command. What one throws is shown and logged, with what can be done about it. */
export function registerCommands(tools: Tools): vscode.Disposable {
  const registered = Object.entries(COMMANDS).map(([id, command]) =>
    vscode.commands.registerCommand(id, async (subject: Subject) => {
      try {
        await command(tools, subject);
      } catch (error) {
        if (isCancelled(error)) return;
        tools.log.error(`${id}: ${inWords(error)}`);
        void complain(tools, inWords(error));
      }
    }),
  );
  return vscode.Disposable.from(...registered);
}

async function complain({ log }: Tools, text: string): Promise<void> {
  const show = "Show Log";
  if ((await vscode.window.showErrorMessage(`Headcount: ${withoutLinks(text)}`, show)) === show)
    log.show(true);
}

/** A command about one session: the one it was given, else the one that the person picks. */
function onSession(run: (tools: Tools, session: Session) => unknown): Command {
  return async (tools, subject) => {
    const session = sessionOf(subject) ?? (await pick(tools));
    if (session) await run(tools, session);
  };
}

function sessionOf(subject: Subject): Session | undefined {
  if (subject === undefined) return undefined;
  if (subject.kind === "group" || subject.kind === "more") return undefined;
  return subject.kind === "row" ? subject.row.session : subject;
}

async function pick({ sessions, nameOf }: Tools): Promise<Session | undefined> {
  const now = Date.now();
  const choices = sessions.roster.sessions().map((session) => ({
    label: withoutIcons(titleOf(session)),
    description: `${nameOf(session.agent)} · ${statusInWords(session)}`,
    detail: withoutIcons(
      [session.cwd ?? "", session.updatedAt ? ageOf(session.updatedAt, now) : ""].join("  "),
    ),
    session,
  }));
  const options = { placeHolder: "Which session?", matchOnDescription: true, matchOnDetail: true };
  return (await vscode.window.showQuickPick(choices, options))?.session;
}

async function statusOf({ server }: Tools, session: Session): Promise<StatusResult> {
  if (session.sessionId === undefined) throw new Error("this session has no id yet");
  return server.request("session.status", { sessionId: session.sessionId, agent: session.agent });
}

async function launchAndReveal({ server, log, tree, treeView }: Tools): Promise<void> {
  const launched = await launch(server, log);
  const node = launched?.session && tree.find(keyOf(launched.session));
  if (node) await treeView.reveal(node, { select: true, focus: false });
}

async function resume(tools: Tools, known: Session): Promise<void> {
  const status = await statusOf(tools, known);
  if (status.session.process) {
    const go = "Go to Terminal";
    const text = "A live process owns this session: resuming it would make two.";
    if ((await vscode.window.showInformationMessage(text, go)) === go) await showTerminal(status);
    return;
  }
  resumeInTerminal(status.session, resumeCommandOf(tools, status));
}

function resumeCommandOf(
  { nameOf }: Tools,
  { session, resume }: StatusResult,
): NonNullable<StatusResult["resume"]> {
  if (!resume) throw new Error(`no command is known that resumes a session of ${nameOf(session.agent)}`);
  return resume;
}

async function goToTerminal(tools: Tools, session: Session): Promise<void> {
  await showTerminal(await statusOf(tools, session));
}

async function showTerminal({ session, ancestors }: StatusResult): Promise<void> {
  const terminal = await terminalOf(ancestors);
  if (terminal) terminal.show();
  else void vscode.window.showInformationMessage(whereItRuns(session, ancestors));
}

async function copyResumeCommand(tools: Tools, known: Session): Promise<void> {
  const status = await statusOf(tools, known);
  const { command, cwd } = resumeCommandOf(tools, status);
  await vscode.env.clipboard.writeText(quotedIn(cwd ?? status.session.cwd, command));
}

async function stop({ server, nameOf }: Tools, { sessionId, agent, ...session }: Session): Promise<void> {
  if (sessionId === undefined) throw new Error("this session has no id yet");
  const confirm = "Stop";
  const detail = `${titleOf({ ...session, agent })}\n${session.cwd ?? ""}\n\nThe agent and everything it started ends. What it wrote stays.`;
  const options = { modal: true, detail };
  const question = `Stop this session of ${nameOf(agent)}?`;
  if ((await vscode.window.showWarningMessage(question, options, confirm)) !== confirm) return;
  const progress = { location: vscode.ProgressLocation.Window, title: `Stopping ${nameOf(agent)}` };
  const { outcome, survivors } = await vscode.window.withProgress(progress, () =>
    server.request("session.stop", { sessionId, agent }),
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

async function prune({ server }: Tools): Promise<void> {
  const preview = await server.request("session.prune", { dryRun: true });
  const lines = [
    ...preview.forgotten.map(
      (it) => `Forget launch ${it.sessionId ?? it.launchId} (${it.agent}): ${it.reason}`,
    ),
    ...preview.released.map((it) => `Release ${it.directory} (${it.holder}): ${it.reason}`),
  ].map((it) => it.replaceAll("_", " "));
  if (!lines.length) {
    void vscode.window.showInformationMessage("Nothing to forget: every launch and lock is in use.");
    return;
  }
  const shown =
    lines.length > PREVIEW_LINES
      ? [...lines.slice(0, PREVIEW_LINES), `… and ${lines.length - PREVIEW_LINES} more`]
      : lines;
  const detail = `${shown.join("\n")}\n\nThe agents' own sessions stay.`;
  const confirm = "Forget";
  const question = `Forget ${lines.length} ended ${lines.length === 1 ? "entry" : "entries"}?`;
  if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, confirm)) !== confirm)
    return;
  await server.request("session.prune", {});
}

/** Lines of a preview that fit a dialog. */
const PREVIEW_LINES = 20;

async function showLocks({ server }: Tools): Promise<void> {
  const { locks } = await server.request("lock.list", {});
  if (!locks.length) {
    void vscode.window.showInformationMessage("No directory is claimed.");
    return;
  }
  const choices = locks.map((lock) => ({
    label: withoutIcons(lock.directory),
    description: withoutIcons(oneLine(`${lock.by}, ${lock.kind}, for ${ageOf(lock.since, Date.now())}`)),
    detail: withoutIcons(oneLine(lock.reason ?? "")),
    lock,
  }));
  const choice = await vscode.window.showQuickPick(choices, {
    placeHolder: "Claimed directories; pick one to release it",
  });
  if (!choice) return;
  const { directory, by, kind } = choice.lock;
  const release = "Release";
  const detail = `${directory}\nheld by ${by}`;
  const answer = await vscode.window.showWarningMessage(
    "Release this lock?",
    { modal: true, detail },
    release,
  );
  if (answer === release) await server.request("lock.release", { directory, force: kind === "launch" });
}

function groupBy(kind: GroupBy): Command {
  return ({ viewState }) => viewState.set({ groupBy: kind });
}

/** Narrows the tree while the text is typed; Escape brings back what was there. */
async function search({ viewState }: Tools): Promise<void> {
  const before = viewState.chosen.query;
  const box = vscode.window.createInputBox();
  box.placeholder = "Title, prompt, directory, branch or id";
  box.value = before;
  const accepted = await new Promise<boolean>((resolve) => {
    box.onDidChangeValue((query) => void viewState.set({ query }));
    box.onDidAccept(() => {
      resolve(true);
    });
    box.onDidHide(() => {
      resolve(false);
    });
    box.show();
  });
  box.dispose();
  if (!accepted) await viewState.set({ query: before });
}

const STATUSES: readonly Status[] = ["waiting", "running", "idle", "stopped", "failed", "unknown"];

async function filter({ viewState, sessions, nameOf }: Tools): Promise<void> {
  const { statuses, agents } = viewState.chosen;
  const known = [...new Set(sessions.roster.sessions().map((it) => it.agent))].sort();
  const separator = (label: string) => ({ label, kind: vscode.QuickPickItemKind.Separator });
  const choices = [
    separator("Status"),
    ...STATUSES.map((status) => ({ label: status, status, picked: statuses.includes(status) })),
    separator("Agent"),
    ...known.map((agent) => ({ label: nameOf(agent), agent, picked: agents.includes(agent) })),
  ];
  const options = { canPickMany: true as const, placeHolder: "Show only these; none for all" };
  const chosen = await vscode.window.showQuickPick(choices, options);
  if (!chosen) return;
  await viewState.set({
    statuses: chosen.flatMap((it) => ("status" in it ? [it.status] : [])),
    agents: chosen.flatMap((it) => ("agent" in it ? [it.agent] : [])),
  });
}
