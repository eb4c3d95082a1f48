/** The commands: one table, id to what it needs of the server and what it does. */

import * as vscode from "vscode";
import { copyResumeCommand, goToTerminal, openDirectory, resume, stop } from "./acting";
import type { GroupBy } from "./arrangement";
import type { Documents } from "./documents";
import { inWords, isCancelled } from "./errors";
import { type Facet, facetsOf } from "./facets";
import { continueSession, launch, launchWithSelection } from "./launch";
import { filter, search } from "./narrowing";
import { inView } from "./progress";
import type { Session } from "./protocol.gen";
import type { Method, Server } from "./server";
import type { Sessions } from "./sessions";
import type { Node, Tree } from "./tree";
import { prune, showLocks } from "./upkeep";
import { tellMenus, type ViewState } from "./view-state";
import { ageOf, statusInWords, titleOf, withoutIcons, withoutLinks } from "./words";

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

interface Command {
  /** The method that it is of no use without. */
  readonly needs?: Method;
  /** Whether it may start or end something: not in Restricted Mode, however it is called. */
  readonly needsTrust?: true;
  readonly run: (tools: Tools, subject: Subject) => unknown;
}

export const COMMANDS: Record<string, Command> = {
  "headcount.launch": { needs: "session.launch", needsTrust: true, run: launch },
  "headcount.launchWithSelection": { needs: "session.launch", needsTrust: true, run: launchWithSelection },
  "headcount.refresh": { needs: "session.list", run: ({ sessions }) => inView(() => sessions.refresh()) },
  "headcount.openTranscript": {
    needs: "session.peek",
    run: onSession("known", "show", ({ documents }, session) =>
      inView(() => documents.open(session, "transcript")),
    ),
  },
  "headcount.explain": {
    needs: "session.status",
    run: onSession("known", "explain", ({ documents }, session) =>
      inView(() => documents.open(session, "evidence")),
    ),
  },
  "headcount.resume": {
    needs: "session.status",
    needsTrust: true,
    run: onSession("resumable", "resume", resume),
  },
  "headcount.continue": {
    needs: "session.resume",
    needsTrust: true,
    run: onSession("resumable", "continue", continueSession),
  },
  "headcount.goToTerminal": { needs: "session.status", run: onSession("live", "go to", goToTerminal) },
  "headcount.openDirectory": { run: onSession("placed", "go to the directory of", openDirectory) },
  "headcount.stop": { needs: "session.stop", needsTrust: true, run: onSession("stoppable", "stop", stop) },
  "headcount.copyId": {
    run: onSession("known", "copy the ID of", (_, { sessionId }) =>
      vscode.env.clipboard.writeText(sessionId ?? ""),
    ),
  },
  "headcount.copyResumeCommand": {
    needs: "session.status",
    run: onSession("own", "copy the command of", copyResumeCommand),
  },
  "headcount.prune": { needs: "session.prune", needsTrust: true, run: prune },
  "headcount.showLocks": { needs: "lock.list", run: showLocks },
  "headcount.showLog": {
    run: ({ log }) => {
      log.show(true);
    },
  },
  "headcount.restart": { run: ({ server }) => server.restart() },
  "headcount.search": { run: search },
  "headcount.filter": { run: filter },
  "headcount.showAll": {
    run: ({ viewState }) => viewState.set({ query: "", statuses: [], agents: [], thisWorkspace: false }),
  },
  "headcount.onlyThisWorkspace": { run: ({ viewState }) => viewState.set({ thisWorkspace: true }) },
  "headcount.everyWorkspace": { run: ({ viewState }) => viewState.set({ thisWorkspace: false }) },
  "headcount.groupByStatus": groupBy("status"),
  "headcount.groupByFolder": groupBy("folder"),
  "headcount.groupByAgent": groupBy("agent"),
  "headcount.showMore": {
    run: ({ tree }, subject) => {
      if (subject?.kind === "more") tree.showMore(subject);
    },
  },
};

/** Registers every command. What one throws is shown and logged, with what can be done about it. */
export function registerCommands(tools: Tools): vscode.Disposable {
  const registered = Object.entries(COMMANDS).map(([id, { needsTrust, run }]) =>
    vscode.commands.registerCommand(id, async (subject: Subject) => {
      if (needsTrust && !vscode.workspace.isTrusted) {
        void vscode.window.showInformationMessage("Headcount starts and ends nothing in Restricted Mode.");
        return;
      }
      try {
        await run(tools, subject);
      } catch (error) {
        if (isCancelled(error)) return;
        tools.log.error(`${id}: ${inWords(error)}`);
        void complain(tools, inWords(error));
      }
    }),
  );
  return vscode.Disposable.from(...registered);
}

/** Commands light up as the server can do what they need: menus ask for `headcount.can.<method>`. */
export function tellWhatCanBeDone(server: Server): void {
  const needed = new Set(Object.values(COMMANDS).flatMap((it) => it.needs ?? []));
  for (const method of needed) tellMenus(`can.${method}`, server.can(method));
}

async function complain({ log }: Tools, text: string): Promise<void> {
  const show = "Show Log";
  if ((await vscode.window.showErrorMessage(`Headcount: ${withoutLinks(text)}`, show)) === show)
    log.show(true);
}

/** A command about one session: the one it was given, else one of those that it is meant for, which the person picks to do that. */
function onSession(
  facet: Facet,
  toDo: string,
  run: (tools: Tools, session: Session) => unknown,
): Command["run"] {
  return async (tools, subject) => {
    const session = sessionOf(subject) ?? (await pick(tools, facet, `Which session to ${toDo}?`));
    if (session) await run(tools, session);
  };
}

function sessionOf(subject: Subject): Session | undefined {
  if (subject === undefined) return undefined;
  if (subject.kind === "group" || subject.kind === "more") return undefined;
  return subject.kind === "row" ? subject.row.session : subject;
}

async function pick(
  { sessions, nameOf }: Tools,
  facet: Facet,
  placeHolder: string,
): Promise<Session | undefined> {
  const now = Date.now();
  const fitting = sessions.roster.sessions().filter((it) => facetsOf(it).includes(facet));
  if (!fitting.length) {
    void vscode.window.showInformationMessage("There is no session to do this with.");
    return undefined;
  }
  const choices = fitting.map((session) => ({
    label: withoutIcons(titleOf(session)),
    description: `${nameOf(session.agent)} · ${statusInWords(session)}`,
    detail: withoutIcons(
      [session.cwd ?? "", session.updatedAt ? ageOf(session.updatedAt, now) : ""].join("  "),
    ),
    session,
  }));
  const options = { placeHolder, matchOnDescription: true, matchOnDetail: true };
  return (await vscode.window.showQuickPick(choices, options))?.session;
}

function groupBy(kind: GroupBy): Command {
  return { run: ({ viewState }) => viewState.set({ groupBy: kind }) };
}
