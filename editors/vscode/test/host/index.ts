/** Runs inside the extension host of a real VS Code: `run` is called with the real API, and writes what it found to a file. */

import { renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as vscode from "vscode";
import type { Headcount } from "../../src/extension";
import { tests as ofServers } from "./servers";
import { tests as ofSpeed } from "./speed";
import { tests as ofTerminals } from "./terminals";
import { tests as ofSessions } from "./tests";
import { World } from "./world";

export async function run(): Promise<void> {
  const root = process.env["HEADCOUNT_TEST_ROOT"] ?? "";
  const extension = vscode.extensions.getExtension<Headcount>("headcount.headcount");
  const results: { name: string; error?: string; note?: string }[] = [];
  if (!extension) throw new Error("the extension is not there");
  const world = new World(root, await extension.activate(), extension);
  for (const [name, test] of Object.entries({ ...ofSessions, ...ofServers, ...ofTerminals, ...ofSpeed })) {
    try {
      const note = await test(world);
      results.push({ name, ...(typeof note === "string" && { note }) });
    } catch (error) {
      results.push({ name, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      // A tree that it left narrowed is no failure of the next.
      await vscode.commands.executeCommand("headcount.showAll");
      await vscode.commands.executeCommand("headcount.groupByStatus");
    }
  }
  const file = path.join(root, "results.json");
  writeFileSync(`${file}.new`, JSON.stringify(results));
  renameSync(`${file}.new`, file);
}
