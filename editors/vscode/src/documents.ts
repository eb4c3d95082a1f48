/** Read-only documents: transcripts and explanations, kept up to date while they are open, the last words in sight. */

import * as vscode from "vscode";
import { Follow } from "./follow";
import { evidencePage, fileName, transcriptPage } from "./pages";
import type { Session } from "./protocol.gen";
import { addressFor, type Which, whichOf } from "./roster";
import type { Server } from "./server";
import { Throttled } from "./timing";

/** The scheme of our documents. */
export const SCHEME = "headcount";

/** How much of a conversation is shown: the most that the server gives, within a text that an editor opens at once. */
const TURNS = 200;
const BYTES = 1 << 20;

/** The least time between two readings of a page: an agent at work may be told of ten times a second. */
const REREAD_MS = 500;

export type Page = "transcript" | "evidence";

/** The address of a page about a session. */
export function addressOf(session: Session, page: Page): vscode.Uri {
  const { agent, sessionId, pid } = whichOf(session);
  const named = sessionId === undefined ? { pid: String(pid) } : { session: sessionId };
  const query = new URLSearchParams({ page, agent, ...named }).toString();
  const name = page === "transcript" ? fileName(session) : `Status of ${fileName(session)}`;
  return vscode.Uri.from({ scheme: SCHEME, path: `/${name}.md`, query });
}

export class Documents implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly emitter = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.emitter.event;
  private readonly follow = new Follow();
  /** What was read for a page that is being opened. */
  private readonly ready = new Map<string, string>();
  /** Whose pages are out of date. */
  private readonly touched = new Set<string>();
  private readonly readSoon = new Throttled(() => {
    this.readAgain();
  }, REREAD_MS);

  constructor(
    private readonly server: Server,
    private readonly nameOf: (agent: string) => string,
  ) {}

  /** Opens a page; beside nothing, as a preview, as a file would. */
  async open(session: Session, page: Page): Promise<void> {
    const document = await this.documentAt(addressOf(session, page));
    const wasOpen = vscode.window.visibleTextEditors.some((it) => it.document === document);
    const editor = await vscode.window.showTextDocument(document, { preview: true });
    // What was said last is what one came for; where somebody has scrolled to, they stay.
    if (page === "transcript" && !wasOpen) this.follow.start(editor);
  }

  /** Reads again, soon, what is open about these sessions. */
  touch(sessions: readonly Session[]): void {
    for (const it of sessions) this.touched.add(addressFor(whichOf(it)));
    this.readSoon.call();
  }

  async provideTextDocumentContent(uri: vscode.Uri, token: vscode.CancellationToken): Promise<string> {
    return this.ready.get(uri.toString()) ?? this.read(uri, token);
  }

  dispose(): void {
    this.follow.dispose();
    this.readSoon.dispose();
    this.emitter.dispose();
  }

  private readAgain(): void {
    for (const { uri } of vscode.workspace.textDocuments) {
      const isOurs = uri.scheme === SCHEME;
      if (isOurs && this.touched.has(addressFor(subjectOf(uri).which))) this.emitter.fire(uri);
    }
    this.touched.clear();
  }

  /** What cannot be read is no document, and is told of in the server's words: VS Code would add the address to them. */
  private async documentAt(uri: vscode.Uri): Promise<vscode.TextDocument> {
    const address = uri.toString();
    const open = vscode.workspace.textDocuments.find((it) => it.uri.toString() === address);
    if (open) return open;
    this.ready.set(address, await this.read(uri));
    try {
      return await vscode.workspace.openTextDocument(uri);
    } finally {
      this.ready.delete(address);
    }
  }

  private async read(uri: vscode.Uri, token?: vscode.CancellationToken): Promise<string> {
    const { page, which } = subjectOf(uri);
    const status = await this.server.request("session.status", which, token);
    const { sessionId, agent } = status.session;
    const name = this.nameOf(agent);
    if (page === "evidence") return evidencePage(status, name);
    if (sessionId === undefined) throw new Error("this session has no id yet");
    const wanted = { sessionId, agent, turns: TURNS, maxBytes: BYTES };
    return transcriptPage(status.session, await this.server.request("session.peek", wanted, token), name);
  }
}

function subjectOf(uri: vscode.Uri): { page: Page; which: Which } {
  const query = new URLSearchParams(uri.query);
  const agent = query.get("agent") ?? "";
  const pid = query.get("pid");
  return {
    page: query.get("page") === "evidence" ? "evidence" : "transcript",
    which: pid === null ? { agent, sessionId: query.get("session") ?? "" } : { agent, pid: Number(pid) },
  };
}
