/** What a person chose to see; each workspace remembers it. */

import { realpath } from "node:fs/promises";
import * as vscode from "vscode";
import type { GroupBy, View } from "./arrangement";
import type { Status } from "./protocol.gen";

export interface Chosen {
  readonly groupBy: GroupBy;
  readonly thisWorkspace: boolean;
  readonly query: string;
  readonly statuses: readonly Status[];
  readonly agents: readonly string[];
}

const DEFAULT: Chosen = { groupBy: "status", thisWorkspace: false, query: "", statuses: [], agents: [] };
const MEMENTO = "chosen";

export class ViewState implements vscode.Disposable {
  private readonly emitter = new vscode.EventEmitter<undefined>();
  readonly onChanged = this.emitter.event;
  private current: Chosen;
  /** The folders of the workspace and what links among them lead to, which is what agents record. */
  private folders = localFolders();

  constructor(
    private readonly memento: vscode.Memento,
    private readonly nameOf: (agent: string) => string,
  ) {
    // A search is of the moment; the rest is a habit.
    this.current = { ...DEFAULT, ...memento.get<Partial<Chosen>>(MEMENTO), query: "" };
    this.tellMenus();
    void this.lookUpFolders();
  }

  /** Learns which folders the workspace has now. */
  async lookUpFolders(): Promise<void> {
    const named = localFolders();
    const real = await Promise.all(named.map((it) => realpath(it).catch(() => it)));
    this.folders = [...new Set([...named, ...real])];
    this.emitter.fire(undefined);
  }

  get chosen(): Chosen {
    return this.current;
  }

  async set(change: Partial<Chosen>): Promise<void> {
    this.current = { ...this.current, ...change };
    this.tellMenus();
    this.emitter.fire(undefined);
    await this.memento.update(MEMENTO, this.current);
  }

  /** The choice, as the arrangement takes it. */
  view(): View {
    const { groupBy, thisWorkspace, query, statuses, agents } = this.current;
    const { folders, nameOf } = this;
    const under = thisWorkspace ? folders : undefined;
    return { groupBy, under, query, statuses, agents, workspaceFolders: folders, nameOf };
  }

  /** What narrows the view, in words; nothing where nothing does. */
  describe(): string | undefined {
    const { thisWorkspace, query, statuses, agents } = this.current;
    const parts = [
      thisWorkspace && "this workspace",
      query.trim() && `“${query.trim()}”`,
      statuses.join(", "),
      agents.map(this.nameOf).join(", "),
    ];
    return parts.filter(Boolean).join(" · ") || undefined;
  }

  dispose(): void {
    this.emitter.dispose();
  }

  private tellMenus(): void {
    tellMenus("thisWorkspace", this.current.thisWorkspace);
    tellMenus("narrowed", this.describe() !== undefined);
  }
}

function localFolders(): string[] {
  const folders = (vscode.workspace.workspaceFolders ?? []).filter((it) => it.uri.scheme === "file");
  return folders.map((it) => it.uri.fsPath);
}

/** Sets a context key, which menus and welcome views ask for. */
export function tellMenus(key: string, value: unknown): void {
  void vscode.commands.executeCommand("setContext", `headcount.${key}`, value);
}
