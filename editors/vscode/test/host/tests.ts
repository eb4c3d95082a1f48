/** The extension with the real API of VS Code and a real server, over the demo world. */

import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import * as vscode from "vscode";
import type { Session } from "../../src/protocol.gen";
import type { World } from "./world";

type Test = (world: World) => Promise<string | undefined>;

/** Sessions of the large store. */
const MANY = 2_000;
/** From the start of a server until the tree is filled, in milliseconds. */
const FILLED_MS = 300;
/** The longest that the extension host may be kept from other work, in milliseconds. */
const BLOCKED_MS = 50;

const session = (world: World, title: string): Session => {
  const node = world.row(title);
  assert.ok(node.kind === "row");
  return node.row.session;
};
const item = (world: World, title: string) => world.headcount.tree.getTreeItem(world.row(title));
const config = () => vscode.workspace.getConfiguration("headcount");
const documents = () => vscode.workspace.textDocuments.filter((it) => it.uri.scheme === "headcount");

export const tests: Record<string, Test> = {
  "activates and reaches the server": async (world) => {
    const { server } = world.headcount;
    await world.until("ready", () => server.state === "ready");
    assert.ok(server.can("session.list") && server.can("session.watch"));
    return `headcount ${server.abilities.version}, VS Code ${vscode.version}`;
  },

  "every command of the manifest is registered": async (world) => {
    const known = new Set(await vscode.commands.getCommands(true));
    const manifest = world.extension.packageJSON as { contributes: { commands: { command: string }[] } };
    const { commands } = manifest.contributes;
    assert.deepEqual(
      commands.map((it) => it.command).filter((it) => !known.has(it)),
      [],
    );
    return `${commands.length} commands`;
  },

  "the tree shows what needs you, then running, idle and recent": async (world) => {
    await world.until("filled", () => world.headcount.sessions.roster.size === 14);
    assert.deepEqual(world.drawn(), [
      "Needs you",
      "  Migrate the payments table",
      "  Redesign the settings page",
      "Running",
      "  Make the parser twice as fast; measure before and after.",
      "  Find out why the retry test is flaky",
      "    Find clocks in the retry path",
      "Idle",
      "  Which pages of the docs mention the old API?",
      "  Bring the README up to date",
      "Recent",
      "  Translate the emails into French",
      "  Add rate limits to the login route",
      "  Investigate the crash on start",
      "  Draft the changelog for 2.4",
      "  Write a fuzz target for the lexer.",
      "  Review the Terraform plan",
      "  Speed up the image build",
    ]);
    return undefined;
  },

  "a row's accessible name holds title and status": async (world) => {
    const { label } = item(world, "Migrate the payments table").accessibilityInformation ?? {};
    assert.match(
      label ?? "",
      /^Migrate the payments table, waiting for a permission, Claude Code, in shop-api/,
    );
    return undefined;
  },

  "icons have the colours of the theme, menus know what can be done": async (world) => {
    const waiting = item(world, "Migrate the payments table");
    assert.ok(waiting.iconPath instanceof vscode.ThemeIcon);
    assert.equal(waiting.iconPath.color?.id, "list.warningForeground");
    assert.equal(waiting.contextValue, "session known live stoppable");
    assert.equal(item(world, "Review the Terraform plan").contextValue, "session known ended");
    return undefined;
  },

  "badge and status bar count what waits": async (world) => {
    const { treeView, attention } = world.headcount;
    await world.until("it counts", () => treeView.badge?.value === 2);
    assert.match(attention.item.text, /2 need you/);
    return undefined;
  },

  "a tooltip tells tokens, and nothing in it is markup of an agent": async (world) => {
    const { tree } = world.headcount;
    const node = world.row("Migrate the payments table");
    const { token } = new vscode.CancellationTokenSource();
    const { tooltip } = await tree.resolveTreeItem(tree.getTreeItem(node), node, token);
    assert.ok(tooltip instanceof vscode.MarkdownString);
    assert.match(tooltip.value, /\*\*Tokens\*\*[^\n]*in[^\n]*out/);
    assert.match(tooltip.value, /payments-v2/);
    assert.ok(!tooltip.isTrusted && !tooltip.supportHtml && !tooltip.supportThemeIcons);
    return undefined;
  },

  "a transcript opens read-only": async (world) => {
    await vscode.commands.executeCommand(
      "headcount.openTranscript",
      session(world, "Find out why the retry test is flaky"),
    );
    const document = vscode.window.activeTextEditor?.document;
    assert.equal(document?.uri.scheme, "headcount");
    assert.match(document.getText(), /^# Find out why the retry test is flaky\n/);
    assert.match(document.getText(), /## You[^]*tests\/retry\.rs fails once in twenty runs/);
    assert.match(document.getText(), /## Claude Code[^]*I'll let an explorer look/);
    return undefined;
  },

  "an open transcript is live": async (world) => {
    const { cwd = "", sessionId = "" } = session(world, "Find out why the retry test is flaky");
    const folder = path.join(world.home, ".claude/projects", cwd.replaceAll(/[^a-zA-Z0-9]/g, "-"));
    const file = path.join(folder, `${sessionId}.jsonl`);
    const said = readFileSync(file, "utf8")
      .split("\n")
      .find((it) => it.includes('"type":"text"'));
    assert.ok(said);
    const now = new Date().toISOString();
    const line = said.replace(/I'll let an explorer[^"]*/, "The clock is to blame.");
    appendFileSync(
      file,
      `${line.replace(/"timestamp":"[^"]*"/, `"timestamp":"${now}"`).replace(/"msg_/, '"msg_x')}\n`,
    );
    await world.until("the document has it", () =>
      documents().some((it) => it.getText().includes("The clock is to blame.")),
    );
    return undefined;
  },

  "the evidence for a status is told": async (world) => {
    await vscode.commands.executeCommand("headcount.explain", session(world, "Migrate the payments table"));
    const text = vscode.window.activeTextEditor?.document.getText() ?? "";
    assert.match(text, /- Status: waiting \(permission\), asserted/);
    assert.match(text, /## Evidence\n\n- .* registry: /);
    await vscode.commands.executeCommand("workbench.action.closeAllEditors");
    return undefined;
  },

  "a running session that starts to wait shows up by itself, and is said once": async (world) => {
    const { attention, treeView, sessions } = world.headcount;
    const lists = sessions.lists;
    world.rewrite(4303, { status: "waiting", waitingFor: "permission prompt" });
    await world.until("it waits", () => treeView.badge?.value === 3);
    assert.deepEqual(
      attention.said.map((it) => it.text),
      ["Claude Code wants a permission: Find out why the retry test is flaky"],
    );
    world.rewrite(4303, { status: "busy", waitingFor: undefined });
    await world.until("it runs", () => treeView.badge?.value === 2);
    assert.equal(sessions.lists, lists, "nothing was listed again");
    return undefined;
  },

  "what is not wanted is not said": async (world) => {
    const { attention, treeView } = world.headcount;
    const said = attention.said.length;
    await config().update("notify.waiting", false, vscode.ConfigurationTarget.Global);
    world.rewrite(4303, { status: "waiting", waitingFor: "permission prompt" });
    await world.until("it waits", () => treeView.badge?.value === 3);
    world.rewrite(4303, { status: "busy", waitingFor: undefined });
    await world.until("it runs", () => treeView.badge?.value === 2);
    assert.equal(attention.said.length, said);
    await config().update("notify.waiting", undefined, vscode.ConfigurationTarget.Global);
    return undefined;
  },

  "search, filters, groups and workspace narrow the tree": async (world) => {
    const { viewState, treeView } = world.headcount;
    await viewState.set({ query: "retry", groupBy: "agent" });
    assert.deepEqual(world.drawn(), [
      ...["Claude Code", "  Find out why the retry test is flaky", "    Find clocks in the retry path"],
    ]);
    assert.equal(treeView.description, "“retry”");
    await viewState.set({ query: "", statuses: ["failed"], groupBy: "folder" });
    assert.deepEqual(world.drawn(), ["mobile", "  Investigate the crash on start"]);
    await viewState.set({ groupBy: "status" });
    await vscode.commands.executeCommand("headcount.showAll");
    await vscode.commands.executeCommand("headcount.onlyThisWorkspace");
    assert.deepEqual(world.drawn(), []);
    await vscode.commands.executeCommand("headcount.everyWorkspace");
    assert.equal(world.drawn().length, 18);
    return undefined;
  },

  "id and resume command are copied": async (world) => {
    const ended = session(world, "Add rate limits to the login route");
    await vscode.commands.executeCommand("headcount.copyId", ended);
    assert.equal(await vscode.env.clipboard.readText(), ended.sessionId);
    await vscode.commands.executeCommand("headcount.copyResumeCommand", ended);
    const command = `cd /home/dev/work/shop-api && codex resume ${ended.sessionId ?? ""}`;
    assert.equal(await vscode.env.clipboard.readText(), command);
    return undefined;
  },

  "an ended session is resumed in a terminal, in its directory": async (world) => {
    await vscode.commands.executeCommand("headcount.resume", session(world, "Review the Terraform plan"));
    const terminal = vscode.window.terminals.find((it) => it.name.startsWith("Review the Terraform plan"));
    assert.ok(terminal);
    assert.equal((terminal.creationOptions as vscode.TerminalOptions).cwd, "/home/dev/work/infra");
    terminal.dispose();
    return undefined;
  },

  "a server that is killed comes back, with the same tree and no second notice": async (world) => {
    const { server, attention } = world.headcount;
    const [before, said, pid] = [world.drawn(), attention.said.length, server.pid];
    assert.ok(pid);
    process.kill(pid, "SIGKILL");
    await world.until("seen", () => server.state === "starting");
    assert.deepEqual(world.drawn(), before, "what was known stays while it is away");
    await world.until("back", () => server.state === "ready" && server.pid !== pid);
    await world.until("the same", () => world.drawn().join() === before.join());
    assert.equal(attention.said.length, said);
    return undefined;
  },

  "a program that is not there is said to be missing, and found again": async (world) => {
    const { server } = world.headcount;
    const known = config().get<string>("server.path");
    await config().update("server.path", "/nowhere/headcount", vscode.ConfigurationTarget.Global);
    await world.until("missing", () => server.state === "missing");
    await config().update("server.path", known, vscode.ConfigurationTarget.Global);
    await world.until("found", () => server.state === "ready");
    return undefined;
  },

  [`with ${MANY} sessions the tree fills at once and the host stays free`]: async (world) => {
    const { server, sessions } = world.headcount;
    const heavy = path.join(world.root, "heavy");
    fill(heavy, world.home);
    await config().update("server.args", ["--home", heavy], vscode.ConfigurationTarget.Global);
    await world.until("all are known", () => server.state === "ready" && sessions.roster.size === MANY);
    // A server that is not optimised takes its time.
    const limit = config().get<string>("server.path", "").includes("/debug/") ? 5 * FILLED_MS : FILLED_MS;
    // A busy machine may be slow once; the best of three is what the extension can do.
    let [took, blocked] = [Infinity, Infinity];
    for (let attempt = 1; attempt <= 3 && (took > limit || blocked > BLOCKED_MS); attempt += 1) {
      [took, blocked] = await restarted(world);
      assert.equal(world.headcount.sessions.lists, 1, "one list at the start, and none after it");
    }
    assert.ok(took <= limit, `filled after ${took.toFixed(0)} ms`);
    assert.ok(blocked <= BLOCKED_MS, `blocked for ${blocked.toFixed(0)} ms`);
    return `filled after ${took.toFixed(0)} ms, longest block ${Math.max(0, blocked).toFixed(0)} ms`;
  },
};

/** From the start of a server until the tree is filled, and the longest block of the host until a second after it. */
async function restarted(world: World): Promise<[took: number, blocked: number]> {
  const { server, sessions, tree } = world.headcount;
  const resolution = 5;
  const lag = monitorEventLoopDelay({ resolution });
  const filled = new Promise<void>((resolve) => {
    const listening = tree.onDidChangeTreeData(() => {
      if (sessions.roster.size === 0) return;
      listening.dispose();
      resolve();
    });
  });
  sessions.lists = 0;
  sessions.pushes = 0;
  sessions.roster.replace([]);
  lag.enable();
  const started = performance.now();
  await server.restart();
  await filled;
  const took = performance.now() - started;
  await world.until("the push has come", () => sessions.pushes > 0);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  lag.disable();
  return [took, lag.max / 1e6 - resolution];
}

/** A store of many sessions, each like the one that was recorded. */
function fill(home: string, from: string): void {
  const project = path.join(from, ".claude/projects/-home-dev-work-shop-web");
  const name = readdirSync(project).find((it) => it.endsWith(".jsonl")) ?? "";
  const text = readFileSync(path.join(project, name), "utf8");
  const id = path.basename(name, ".jsonl");
  for (let at = 0; at < MANY; at += 1) {
    const mine = `${String(at).padStart(8, "0")}${id.slice(8)}`;
    const folder = path.join(home, `.claude/projects/-home-dev-work-${at % 40}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, `${mine}.jsonl`), text.replaceAll(id, mine));
  }
}
