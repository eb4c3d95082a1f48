/** What tests in the extension host hold on to. */

import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as vscode from "vscode";
import type { Headcount } from "../../src/extension";
import type { Session } from "../../src/protocol.gen";
import type { Node } from "../../src/tree";

/** What it returns is told beside its name. */
export type Test = (world: World) => Promise<string | undefined>;

export class World {
  /** What was said by notifications. */
  readonly said: string[] = [];

  constructor(
    readonly root: string,
    readonly headcount: Headcount,
    readonly extension: vscode.Extension<Headcount>,
  ) {
    headcount.attention.onSaid(({ text }) => this.said.push(text));
  }

  get home(): string {
    return path.join(this.root, "home");
  }

  /** The tree as one sees it: labels, indented. */
  drawn(): string[] {
    const { tree } = this.headcount;
    const lines = (node: Node | undefined, indent: string): string[] =>
      tree.getChildren(node).flatMap((it) => {
        const { label } = tree.getTreeItem(it);
        return [
          `${indent}${typeof label === "string" ? label : (label?.label ?? "")}`,
          ...lines(it, `${indent}  `),
        ];
      });
    return lines(undefined, "");
  }

  /** The session with that title. */
  session(title: string): Session {
    const node = this.row(title);
    if (node.kind !== "row") throw new Error(`${title} is no session`);
    return node.row.session;
  }

  /** The row with that title. */
  row(title: string): Node {
    const { tree } = this.headcount;
    const find = (node?: Node): Node | undefined => {
      for (const it of tree.getChildren(node)) {
        if (it.kind === "row" && tree.getTreeItem(it).label === title) return it;
        const below = find(it);
        if (below) return below;
      }
      return undefined;
    };
    const found = find();
    if (!found) throw new Error(`no row ${title} in\n${this.drawn().join("\n")}`);
    return found;
  }

  /** Waits until it holds; whatever happens in the meantime is drawn. */
  readonly until = async (
    what: string,
    check: () => boolean | Promise<boolean>,
    ms = 60_000,
  ): Promise<void> => {
    const deadline = Date.now() + ms;
    while (!(await check())) {
      if (Date.now() > deadline)
        throw new Error(`not within ${ms} ms: ${what}; the tree is\n${this.drawn().join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };

  /** Rewrites the live record of a Claude Code process, as it does itself. */
  rewrite(pid: number, members: object): void {
    const file = path.join(this.home, `.claude/sessions/${pid}.json`);
    const told = JSON.parse(readFileSync(file, "utf8")) as object;
    writeFileSync(file, JSON.stringify({ ...told, statusUpdatedAt: Date.now(), ...members }));
  }
}
