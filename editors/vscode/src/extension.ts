/** Wires the parts together. */

import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import * as vscode from "vscode";
import { Attention } from "./attention";
import { registerCommands, tellWhatCanBeDone } from "./commands";
import { Documents, keysOf, SCHEME } from "./documents";
import { locate, type Located } from "./locate";
import { Server } from "./server";
import { Sessions } from "./sessions";
import { Tree } from "./tree";
import { troubleInWords } from "./trouble";
import { tellMenus, ViewState } from "./view-state";

/** Changes within this time are drawn at once. */
const REDRAW_MS = 50;
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
}

export function activate(context: vscode.ExtensionContext): Headcount {
  const log = vscode.window.createOutputChannel("Headcount", { log: true });
  const server = new Server(log, () => locateServer(context), serverArgs);
  const nameOf = (agent: string) => server.abilities.agents.find((it) => it.id === agent)?.name ?? agent;
  const sessions = new Sessions(server, log);
  const viewState = new ViewState(context.workspaceState, nameOf);
  const documents = new Documents(server, nameOf);
  // Without a server nothing is known of now, and what was known before must not look like it.
  const known = () => (server.isOff ? [] : sessions.roster.sessions());
  const tree = new Tree({
    sessions: known,
    view: () => viewState.view(),
    status: async ({ sessionId, agent }, token) => {
      if (sessionId === undefined) throw new Error("a session without an id has no status of its own");
      return (await server.request("session.status", { sessionId, agent }, token)).session;
    },
  });
  const treeView = vscode.window.createTreeView("headcount.sessions", {
    treeDataProvider: tree,
    showCollapseAll: true,
  });
  // Every window of this machine looks into the same directory.
  const claims = path.join(context.globalStorageUri.fsPath, "notices");
  const attention = new Attention(treeView, nameOf, claims, (session) => {
    const command = session.process ? "headcount.goToTerminal" : "headcount.openTranscript";
    void vscode.commands.executeCommand(command, session);
  });

  const draw = () => {
    tree.redraw();
    attention.show(server.state, known());
    tellMenus("known", sessions.isKnown);
    treeView.description = viewState.describe() ?? "";
    treeView.message = messageOf(server, sessions, nameOf) ?? "";
  };
  const drawSoon = new Coalesced(draw, REDRAW_MS);
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
    {
      dispose: () => {
        clearInterval(ages);
      },
    },
    registerCommands({ log, server, sessions, tree, treeView, viewState, documents, nameOf }),
    vscode.workspace.registerTextDocumentContentProvider(SCHEME, documents),
    viewState.onChanged(draw),
    vscode.workspace.onDidChangeWorkspaceFolders(draw),
    sessions.onChanged((steps) => {
      drawSoon.call();
      documents.touch(keysOf(steps.flatMap((it) => it.after ?? [])));
      void attention.announce(steps);
    }),
    server.onState((state) => {
      tellMenus("state", state);
      tellWhatCanBeDone(server);
      draw();
      if (state === "failed") void tellOfFailure(log);
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("headcount.server")) void server.restart();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void server.restart()),
  );
  void server.restart();
  return { server, sessions, tree, treeView, attention, viewState };
}

function serverArgs(): readonly string[] {
  return vscode.workspace.getConfiguration("headcount.server").get<string[]>("args", []);
}

function locateServer(context: vscode.ExtensionContext): Located {
  const places = {
    setting: vscode.workspace.getConfiguration("headcount.server").get<string>("path", ""),
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

/** What stands above the tree: that it is not there yet, or not the whole truth. */
function messageOf(
  server: Server,
  { isKnown, trouble }: Sessions,
  nameOf: (agent: string) => string,
): string | undefined {
  // The welcome says what can be done.
  if (server.isOff) return undefined;
  if (server.state === "starting" && isKnown) return "The server is starting again…";
  const lines = troubleInWords(trouble, nameOf);
  if (!isKnown && !lines.length) return "Looking for sessions…";
  if (isKnown && server.state === "ready" && !server.can("session.watch"))
    lines.push("This headcount tells no changes by itself: refresh to see them.");
  return lines.join("\n") || undefined;
}

async function tellOfFailure(log: vscode.LogOutputChannel): Promise<void> {
  const [restart, show] = ["Restart", "Show Log"] as const;
  const answer = await vscode.window.showErrorMessage("The headcount server keeps ending.", restart, show);
  if (answer === restart) await vscode.commands.executeCommand("headcount.restart");
  if (answer === show) log.show(true);
}

/** A function that runs once for all calls within some time, after the first. */
class Coalesced implements vscode.Disposable {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly run: () => void,
    private readonly ms: number,
  ) {}

  call(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.run();
    }, this.ms);
  }

  dispose(): void {
    clearTimeout(this.timer);
  }
}
