/** The tree of sessions: what VS Code is told, and when it has to look again. */

import * as vscode from "vscode";
import { arrange, type Group, type Row, type View } from "./arrangement";
import { groupItem, lookOf, moreItem, rowItem, tooltipOf } from "./items";
import type { Session } from "./protocol.gen";
import { isLiveRank, type Key } from "./roster";

/** Rows of a group until more are asked for; a tree of thousands is slow to draw and nobody reads it. */
const PAGE = 50;
/** So many more are shown each time. */
const MORE = 200;

/** A node is the same object for as long as it is in the tree: VS Code knows it by that. */
export type Node = GroupNode | RowNode | MoreNode;
export interface GroupNode {
  readonly kind: "group";
  group: Group;
}
export interface RowNode {
  readonly kind: "row";
  row: Row;
  parent: GroupNode | RowNode;
}
export interface MoreNode {
  readonly kind: "more";
  readonly parent: GroupNode;
  /** How many are hidden, and how many of them come next. */
  readonly hidden: number;
  readonly next: number;
}

/** Where the tree gets what it shows. */
export interface Source {
  sessions(): readonly Session[];
  view(): View;
  /** Asks for what a list does not hold: the usage. */
  status(session: Session, token: vscode.CancellationToken): Promise<Session>;
}

export class Tree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly emitter = new vscode.EventEmitter<Node[] | undefined>();
  readonly onDidChangeTreeData = this.emitter.event;
  private roots: GroupNode[] | undefined;
  private groups = new Map<string, GroupNode>();
  private rows = new Map<Key, RowNode>();
  /** How many rows of a group a person asked for. */
  private readonly wanted = new Map<string, number>();
  /** How the rows looked that VS Code has drawn. */
  private looks = new Map<RowNode, string>();

  constructor(private readonly source: Source) {}

  /** Draws what is not as it was: single rows where every row is still in its place, else all. */
  redraw(): void {
    const before = this.roots && this.places(this.roots);
    this.roots = this.build();
    if (before !== this.places(this.roots)) {
      this.looks = new Map();
      this.emitter.fire(undefined);
      return;
    }
    const changed = [...this.looks].filter(([node, look]) => look !== lookOf(this.getTreeItem(node)));
    if (changed.length) this.emitter.fire(changed.map(([node]) => node));
  }

  showMore({ parent }: MoreNode): void {
    const { id } = parent.group;
    this.wanted.set(id, this.shownOf(parent.group) + MORE);
    this.redraw();
  }

  /** The node of a session, where the tree shows it. */
  find(key: Key): RowNode | undefined {
    this.getChildren();
    return this.rows.get(key);
  }

  getChildren(node?: Node): Node[] {
    if (!node) return (this.roots ??= this.build());
    switch (node.kind) {
      case "group":
        return this.pageOf(node);
      case "row":
        return node.row.children.flatMap((it) => this.rows.get(it.key) ?? []);
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
      case "row": {
        const item = rowItem(node.row, this.source.view());
        this.looks.set(node, lookOf(item));
        return item;
      }
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
    const { groups, rows } = this;
    this.groups = new Map();
    this.rows = new Map();
    const rowNode = (row: Row, parent: GroupNode | RowNode): void => {
      const node: RowNode = rows.get(row.key) ?? { kind: "row", row, parent };
      Object.assign(node, { row, parent });
      this.rows.set(row.key, node);
      for (const child of row.children) rowNode(child, node);
    };
    return arrange(this.source.sessions(), this.source.view()).map((group) => {
      const node: GroupNode = groups.get(group.id) ?? { kind: "group", group };
      node.group = group;
      this.groups.set(group.id, node);
      for (const row of group.rows) rowNode(row, node);
      return node;
    });
  }

  /** What stands where, and how many of each: all that a change of single rows leaves as it is. */
  private places(nodes: readonly Node[]): string {
    return JSON.stringify(nodes.map((it) => this.placesFrom(it)));
  }

  private placesFrom(node: Node): unknown {
    switch (node.kind) {
      case "group":
        return [node.group.id, node.group.rows.length, ...this.pageOf(node).map((it) => this.placesFrom(it))];
      case "row":
        return [node.row.key, ...this.getChildren(node).map((it) => this.placesFrom(it))];
      case "more":
        return node.hidden;
    }
  }

  private shownOf({ id, rows }: Group): number {
    // What is alive is never hidden.
    const live = rows.filter((it) => isLiveRank(it.rank)).length;
    return Math.max(live, this.wanted.get(id) ?? PAGE);
  }

  private pageOf(node: GroupNode): Node[] {
    const { rows } = node.group;
    const shown = this.shownOf(node.group);
    const nodes: Node[] = rows.slice(0, shown).flatMap((it) => this.rows.get(it.key) ?? []);
    const hidden = rows.length - shown;
    return hidden > 0
      ? [...nodes, { kind: "more", parent: node, hidden, next: Math.min(MORE, hidden) }]
      : nodes;
  }
}
