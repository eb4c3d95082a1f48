/** Wires the parts together. */

import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import * as vscode from "vscode";
import { Attention } from "./attention";
import { registerCommands, tellWhatCanBeDone } from "./commands";
import { Documents, SCHEME } from "./documents";
import { locate, type Located } from "./locate";
import { whichOf } from "./roster";
import { Server } from "./server";
import { Sessions } from "./sessions";
import { type ServerSettings, serverSettingsOf } from "./settings";
import { Tree } from "./tree";
import { Patience, Throttled } from "./timing";
import { troubleInWords } from "./trouble";
import { tellMenus, ViewState } from "./view-state";
import { withoutLinks } from "./words";

/**
 * The least time between two drawings. VS Code gathers what it is told of a view until nothing more has come for 200 ms: told
 * more often than that, it would draw nothing while something goes on.
 */
const REDRAW_MS = 250;
/** A server is there in a fraction of this; only when it is not, it is said to be waited for. */
const LATE_MS = 1_000;
/** How often ages are drawn anew while somebody looks; nothing is asked of the server. */
const AGES_MS = 60_000;

/** What tests hold on to. */
export interface Headcount {
  readonly server: Server;
  readonly sessions: Sessions;
  readonly tree: Tree;
  readonly treeView: vscode.TreeView<unknown>;
  readonly attention: Attention;
  readonly viewState: ViewState;
  readonly documents: Documents;
}

export function activate(context: vscode.ExtensionContext): Headcount {
  const log = vscode.window.createOutputChannel("Headcount", { log: true });
  const server = new Server(
    log,
    () => locateServer(context),
    () => serverSettings().args,
  );
  const nameOf = (agent: string) => server.abilities.agents.find((it) => it.id === agent)?.name ?? agent;
  const sessions = new Sessions(server, log);
  const viewState = new ViewState(context.workspaceState, nameOf);
  const documents = new Documents(server, nameOf);
  // Without a server nothing is known of now, and what was known before must not look like it.
  const known = () => (server.isOff ? [] : sessions.roster.sessions());
  const tree = new Tree({
    sessions: known,
    view: () => viewState.view(),
    status: async (session, token) =>
      (await server.request("session.status", whichOf(session), token)).session,
  });
  const treeView = vscode.window.createTreeView("headcount.sessions", {
    treeDataProvider: tree,
    showCollapseAll: true,
  });
  const claims = path.join(context.globalStorageUri.fsPath, "notices");
  const attention = new Attention(treeView, nameOf, claims, (session) => {
    const command = session.process ? "headcount.goToTerminal" : "headcount.openTranscript";
    void vscode.commands.executeCommand(command, session);
  });

  const draw = () => {
    tree.redraw();
    attention.show(server.state, sessions.isKnown ? known() : undefined);
    tellMenus("known", sessions.isKnown);
    const hasRows = tree.getChildren().length > 0;
    const message = messageOf({ server, sessions, viewState, nameOf, hasRows, isLate: patience.isOver });
    // Each telling, even of the same, keeps VS Code from drawing the rows for a while.
    if (treeView.message !== message) treeView.message = message;
  };
  const drawSoon = new Throttled(draw, REDRAW_MS);
  const patience = new Patience(draw, LATE_MS);
  const ages = setInterval(() => {
    if (treeView.visible) tree.redraw();
  }, AGES_MS);

  context.subscriptions.push(
    log,
    server,
    sessions,
    viewState,
    documents,
    tree,
    treeView,
    attention,
    drawSoon,
    patience,
    {
      dispose: () => {
        clearInterval(ages);
      },
    },
    registerCommands({ log, server, sessions, tree, treeView, viewState, documents, nameOf }),
    vscode.workspace.registerTextDocumentContentProvider(SCHEME, documents),
    viewState.onChanged(draw),
    vscode.workspace.onDidChangeWorkspaceFolders(() => void viewState.lookUpFolders()),
    sessions.onChanged((steps) => {
      patience.dispose();
      drawSoon.call();
      documents.touch(steps.flatMap((it) => it.after ?? []));
      attention.announce(steps);
    }),
    server.onState((state) => {
      tellMenus("state", state);
      tellWhatCanBeDone(server);
      if (state === "starting") patience.start();
      draw();
      if (state === "failed") void tellOfFailure(log, server.lastWords);
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("headcount.server")) void server.restart();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void server.restart()),
  );
  void server.restart();
  return { server, sessions, tree, treeView, attention, viewState, documents };
}

function serverSettings(): ServerSettings {
  const settings = vscode.workspace.getConfiguration("headcount.server");
  return serverSettingsOf(settings.get("path"), settings.get("args"));
}

function locateServer(context: vscode.ExtensionContext): Located {
  const places = {
    setting: serverSettings().path,
    bundled: path.join(context.extensionPath, "server", "headcount"),
    searchPath: (process.env["PATH"] ?? "").split(path.delimiter),
    home: homedir(),
  };
  return locate(places, isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** What there is to be told of. */
interface Told {
  readonly server: Server;
  readonly sessions: Sessions;
  readonly viewState: ViewState;
  readonly nameOf: (agent: string) => string;
  readonly hasRows: boolean;
  /** Whether it takes long to hear of the sessions. */
  readonly isLate: boolean;
}

/** What stands above the tree: that it is not there yet, or not the whole truth. */
function messageOf({ server, sessions, viewState, nameOf, hasRows, isLate }: Told): string {
  // The welcome says what can be done.
  if (server.isOff) return "";
  const { isKnown, trouble } = sessions;
  if (server.state === "starting" && (isKnown || server.lastWords))
    return isLate ? ["The server is starting again…", server.lastWords].filter(Boolean).join("\n") : "";
  const lines = [...serverSettings().wrong, ...troubleInWords(trouble, nameOf)];
  if (!isKnown && !lines.length) return isLate ? "Looking for sessions…" : "";
  if (isKnown && server.state === "ready" && !server.can("session.watch"))
    lines.push("This headcount tells no changes by itself: refresh to see them.");
  const narrowing = viewState.describe();
  // The title of a view that is alone in its container has no room for it. Where nothing is left, the welcome says it, which
  // VS Code shows only where there is no message.
  const isTold = hasRows || lines.length > 0;
  if (isKnown && isTold && narrowing !== undefined) lines.push(`Only ${narrowing}`);
  return lines.join("\n");
}

async function tellOfFailure(log: vscode.LogOutputChannel, lastWords: string): Promise<void> {
  const [restart, show] = ["Restart", "Show Log"] as const;
  const text = `The headcount server keeps ending: ${withoutLinks(lastWords)}`;
  const answer = await vscode.window.showErrorMessage(text, restart, show);
  if (answer === restart) await vscode.commands.executeCommand("headcount.restart");
  if (answer === show) log.show(true);
}
