/** The tree of sessions. */

import * as vscode from "vscode";
import { arrange, type Group, type Row, type View } from "./arrangement";
import type { Reason, Session, Status } from "./protocol.gen";
import { type Key, rankOf } from "./roster";
import {
  accessibleName,
  ageOf,
  folderOf,
  oneLine,
  statusInWords,
  titleOf,
  usageInWords,
  wantOf,
} from "./words";

/** Rows of a group until more are asked for; a tree of thousands is slow to draw and nobody reads it. */
const PAGE = 50;

export type Node = GroupNode | RowNode | MoreNode;
export interface GroupNode {
  readonly kind: "group";
  readonly group: Group;
}
export interface RowNode {
  readonly kind: "row";
  readonly row: Row;
  readonly parent: GroupNode | RowNode;
}
export interface MoreNode {
  readonly kind: "more";
  readonly parent: GroupNode;
  readonly hidden: number;
}

/** Where the tree gets what it shows. */
export interface Source {
  sessions(): readonly Session[];
  view(): View;
  /** Asks for what a list does not hold: the usage. */
  status(session: Session, token: vscode.CancellationToken): Promise<Session>;
}

export class Tree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly emitter = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.emitter.event;
  private roots: GroupNode[] | undefined;
  private nodes = new Map<Key, RowNode>();
  private readonly shown = new Map<string, number>();

  constructor(private readonly source: Source) {}

  /** Draws again, from what is known now. */
  redraw(): void {
    this.roots = undefined;
    this.emitter.fire(undefined);
  }

  showMore({ parent }: MoreNode): void {
    this.shown.set(parent.group.id, this.shownOf(parent.group) + 4 * PAGE);
    this.redraw();
  }

  /** The node of a session, where the tree shows it. */
  find(key: Key): RowNode | undefined {
    this.getChildren();
    return this.nodes.get(key);
  }

  getChildren(node?: Node): Node[] {
    if (!node) return (this.roots ??= this.build());
    switch (node.kind) {
      case "group":
        return this.rowsOf(node);
      case "row":
        return node.row.children.map((row) => ({ kind: "row", row, parent: node }));
      case "more":
        return [];
    }
  }

  getParent(node: Node): Node | undefined {
    return node.kind === "group" ? undefined : node.parent;
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case "group":
        return groupItem(node.group);
      case "row":
        return rowItem(node.row, this.source.view());
      case "more":
        return moreItem(node);
    }
  }

  async resolveTreeItem(
    item: vscode.TreeItem,
    node: Node,
    token: vscode.CancellationToken,
  ): Promise<vscode.TreeItem> {
    if (node.kind !== "row") return item;
    const { session } = node.row;
    const { nameOf } = this.source.view();
    // Without an answer the tooltip shows what the list told.
    const fresh = await this.source.status(session, token).catch(() => session);
    item.tooltip = tooltipOf(fresh, nameOf(session.agent), Date.now());
    return item;
  }

  dispose(): void {
    this.emitter.dispose();
  }

  private build(): GroupNode[] {
    const groups = arrange(this.source.sessions(), this.source.view());
    this.nodes = new Map();
    const remember = (row: Row, parent: GroupNode | RowNode): void => {
      const node: RowNode = { kind: "row", row, parent };
      this.nodes.set(row.key, node);
      for (const child of row.children) remember(child, node);
    };
    return groups.map((group) => {
      const node: GroupNode = { kind: "group", group };
      for (const row of group.rows) remember(row, node);
      return node;
    });
  }

  private shownOf(group: Group): number {
    return this.shown.get(group.id) ?? PAGE;
  }

  private rowsOf(node: GroupNode): Node[] {
    const { rows } = node.group;
    // What is alive is never hidden.
    const live = rows.filter((it) => it.rank < 3).length;
    const count = Math.max(live, this.shownOf(node.group));
    const nodes: Node[] = rows.slice(0, count).map((row) => ({ kind: "row", row, parent: node }));
    if (rows.length > count) nodes.push({ kind: "more", parent: node, hidden: rows.length - count });
    return nodes;
  }
}

function groupItem({ id, label, rows, isLive }: Group): vscode.TreeItem {
  const { Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(label, isLive || rows.length <= PAGE ? Expanded : Collapsed);
  item.id = id;
  item.description = String(rows.length);
  item.contextValue = "group";
  item.accessibilityInformation = {
    label: `${label}, ${rows.length} ${rows.length === 1 ? "session" : "sessions"}`,
  };
  return item;
}

function moreItem({ parent, hidden }: MoreNode): vscode.TreeItem {
  const item = new vscode.TreeItem(`Show more (${hidden})`);
  item.id = `${parent.group.id} more`;
  item.contextValue = "more";
  return item;
}

function rowItem({ key, session, children, rank }: Row, { groupBy, nameOf }: View): vscode.TreeItem {
  const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
  const state = children.length === 0 ? None : rank < rankOf(session.status) ? Expanded : Collapsed;
  const item = new vscode.TreeItem(titleOf(session), state);
  const now = Date.now();
  const agent = nameOf(session.agent);
  item.id = key;
  item.description = [
    session.status === "waiting" && wantOf(session.reason),
    groupBy !== "agent" && agent,
    groupBy !== "folder" && session.cwd && folderOf(session.cwd),
    session.updatedAt && ageOf(session.updatedAt, now),
  ]
    .filter(Boolean)
    .join(" · ");
  item.iconPath = iconOf(session);
  item.contextValue = contextOf(session);
  item.accessibilityInformation = { label: accessibleName(session, agent, now) };
  if (session.sessionId !== undefined) {
    item.command = { command: "headcount.openTranscript", title: "Open Transcript", arguments: [session] };
  }
  return item;
}

/** What the menus ask for: known (it has an id), live, stoppable, ended. */
function contextOf({ sessionId, status, process }: Session): string {
  const isLive = process !== undefined;
  const isEnded = status === "stopped" || status === "failed";
  return [
    "session",
    ...(sessionId === undefined ? [] : ["known"]),
    ...(isLive ? ["live"] : []),
    ...(sessionId !== undefined && !isEnded ? ["stoppable"] : []),
    ...(sessionId !== undefined && isEnded && !isLive ? ["ended"] : []),
  ].join(" ");
}

const ICON: Record<Status, readonly [icon: string, color: string]> = {
  waiting: ["bell-dot", "list.warningForeground"],
  running: ["play-circle", "charts.green"],
  idle: ["circle-outline", "charts.blue"],
  stopped: ["circle-slash", "descriptionForeground"],
  failed: ["error", "list.errorForeground"],
  unknown: ["question", "descriptionForeground"],
};

function iconOf({ status, reason, conflict }: Session): vscode.ThemeIcon {
  const [icon, color] = conflict
    ? (["warning", "list.warningForeground"] as const)
    : reason === ("completed" satisfies Reason)
      ? (["pass", "descriptionForeground"] as const)
      : ((ICON as Partial<typeof ICON>)[status] ?? ICON.unknown);
  return new vscode.ThemeIcon(icon, new vscode.ThemeColor(color));
}

/** Every value is appended as text: nothing that an agent wrote becomes markup, a link or an icon. */
function tooltipOf(session: Session, agent: string, now: number): vscode.MarkdownString {
  const { cwd, branch, model, updatedAt, usage, process, sessionId, certainty } = session;
  const lines: [string, string | undefined][] = [
    ["Status", `${statusInWords(session)}${certainty === "inferred" ? " (inferred)" : ""}`],
    ["Agent", model === undefined ? agent : `${agent} · ${oneLine(model)}`],
    ["Directory", cwd],
    ["Branch", branch],
    ["Active", updatedAt && `${ageOf(updatedAt, now)} (${updatedAt})`],
    ["Tokens", usage && usageInWords(usage)],
    ["Process", process && String(process.pid)],
    ["Session", sessionId],
  ];
  const tooltip = new vscode.MarkdownString();
  tooltip.appendText(titleOf(session));
  for (const [name, value] of lines) {
    if (value) tooltip.appendMarkdown(`\n\n**${name}** `).appendText(oneLine(value));
  }
  return tooltip;
}
