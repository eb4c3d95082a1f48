/** The extension with the real API of VS Code and a real server, over the demo world. */

import assert from "node:assert/strict";
import { appendFileSync, readFileSync } from "node:fs";
import path from "node:path";
import * as vscode from "vscode";
import type { Test, World } from "./world";

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
    assert.equal(waiting.iconPath.color?.id, "charts.yellow");
    assert.match(String(waiting.description), /^\u200eneeds a permission · /, "apart from a title in Arabic");
    assert.equal(waiting.contextValue, "session known live stoppable own placed");
    assert.equal(item(world, "Review the Terraform plan").contextValue, "session known own resumable placed");
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
    assert.match(tooltip.value, /Tokens: [^\n]*in[^\n]*out/);
    assert.match(tooltip.value, /payments-v2/);
    assert.ok(!tooltip.isTrusted && !tooltip.supportHtml && !tooltip.supportThemeIcons);
    return undefined;
  },

  "a transcript opens read-only": async (world) => {
    await vscode.commands.executeCommand(
      "headcount.openTranscript",
      world.session("Find out why the retry test is flaky"),
    );
    const document = vscode.window.activeTextEditor?.document;
    assert.equal(document?.uri.scheme, "headcount");
    assert.match(document.getText(), /^# Find out why the retry test is flaky\n/);
    assert.match(document.getText(), /## You[^]*tests\/retry\.rs fails once in twenty runs/);
    assert.match(document.getText(), /## Claude Code[^]*I'll let an explorer look/);
    return undefined;
  },

  "an open transcript is live": async (world) => {
    const { cwd = "", sessionId = "" } = world.session("Find out why the retry test is flaky");
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

  "what is told of an open page in one go is read once": async (world) => {
    const { documents: pages } = world.headcount;
    const session = world.session("Find out why the retry test is flaky");
    let readings = 0;
    const counting = pages.onDidChange(() => (readings += 1));
    const before = readings;
    for (let push = 0; push < 10; push += 1) pages.touch([session]);
    assert.ok(readings - before <= 1, `${readings} readings`);
    await world.until("it is read", () => readings > before);
    counting.dispose();
    return undefined;
  },

  "the evidence for a status is told": async (world) => {
    await vscode.commands.executeCommand("headcount.explain", world.session("Migrate the payments table"));
    const text = vscode.window.activeTextEditor?.document.getText() ?? "";
    assert.match(text, /- Status: waiting \(permission\)\n- Certainty: asserted: /);
    assert.match(text, /## Evidence\n\n- the agent's record of its live processes: /);
    await vscode.commands.executeCommand("workbench.action.closeAllEditors");
    return undefined;
  },

  "a running session that starts to wait shows up by itself, and is said once": async (world) => {
    const { treeView, sessions } = world.headcount;
    const lists = sessions.lists;
    world.rewrite(4303, { status: "waiting", waitingFor: "permission prompt" });
    await world.until("it waits", () => treeView.badge?.value === 3);
    // Which of many windows says it is settled by a file, so the notice may follow the badge.
    await world.until("it is said", () => world.said.length > 0);
    assert.deepEqual(world.said, [
      "Claude Code needs a permission in shop-api: Find out why the retry test is flaky",
    ]);
    world.rewrite(4303, { status: "busy", waitingFor: undefined });
    await world.until("it runs", () => treeView.badge?.value === 2);
    assert.equal(sessions.lists, lists, "nothing was listed again");
    return undefined;
  },

  "only what looks different is drawn again, and the selected row stays selected": async (world) => {
    const { tree, treeView, sessions } = world.headcount;
    const said = world.said.length;
    await vscode.commands.executeCommand("headcount.sessions.focus");
    const title = "Find out why the retry test is flaky";
    const [selected, working, told] = [
      world.row("Bring the README up to date"),
      world.row(title),
      world.session(title),
    ];
    await treeView.reveal(selected, { select: true });
    const isSelected = () => treeView.selection.length === 1 && treeView.selection[0] === selected;
    await world.until("it is selected", isSelected);
    const drawn: unknown[] = [];
    const listening = tree.onDidChangeTreeData((it) => drawn.push(it));
    sessions.roster.apply([{ kind: "changed", session: { ...told, title: "Another title" } }]);
    tree.redraw();
    // Others may have grown a minute older; not all of the tree is drawn.
    assert.ok(drawn.some((it) => Array.isArray(it) && it.includes(working)));
    assert.ok(!drawn.includes(undefined));
    sessions.roster.apply([{ kind: "changed", session: told }]);
    tree.redraw();
    world.rewrite(4303, { status: "waiting", waitingFor: "permission prompt" });
    await world.until("rows have moved", () => drawn.at(-1) === undefined);
    world.rewrite(4303, { status: "busy", waitingFor: undefined });
    await world.until("and moved back", () => treeView.badge?.value === 2 && world.row(title) === working);
    listening.dispose();
    await world.until("it is selected still", isSelected);
    await world.until("that it waits is said", () => world.said.length > said);
    return undefined;
  },

  "what is not wanted is not said": async (world) => {
    const { treeView } = world.headcount;
    const said = world.said.length;
    const waitsAndRuns = async () => {
      world.rewrite(4303, { status: "waiting", waitingFor: "permission prompt" });
      await world.until("it waits", () => treeView.badge?.value === 3);
      world.rewrite(4303, { status: "busy", waitingFor: undefined });
      await world.until("it runs", () => treeView.badge?.value === 2);
    };
    await config().update("notify.waiting", false, vscode.ConfigurationTarget.Global);
    await waitsAndRuns();
    await config().update("notify.waiting", undefined, vscode.ConfigurationTarget.Global);
    // A notice follows the badge some time later: that nothing was said is known once something is.
    await waitsAndRuns();
    await world.until("it is said", () => world.said.length > said);
    assert.equal(world.said.length, said + 1);
    return undefined;
  },

  "search, filters, groups and workspace narrow the tree": async (world) => {
    const { viewState, treeView } = world.headcount;
    await viewState.set({ query: "retry", groupBy: "agent" });
    assert.deepEqual(world.drawn(), [
      ...["Claude Code", "  Find out why the retry test is flaky", "    Find clocks in the retry path"],
    ]);
    await world.until("it says so", () => treeView.message === "Only “retry”");
    await viewState.set({ query: "", statuses: ["failed"], groupBy: "folder" });
    assert.deepEqual(world.drawn(), ["mobile", "  Investigate the crash on start"]);
    await viewState.set({ groupBy: "status" });
    await vscode.commands.executeCommand("headcount.showAll");
    await vscode.commands.executeCommand("headcount.onlyThisWorkspace");
    assert.deepEqual(world.drawn(), []);
    // VS Code shows a welcome only where a view has no message.
    await world.until("it leaves room for the welcome", () => (treeView.message ?? "") === "");
    await vscode.commands.executeCommand("headcount.everyWorkspace");
    assert.equal(world.drawn().length, 18);
    return undefined;
  },

  "id and resume command are copied": async (world) => {
    const ended = world.session("Add rate limits to the login route");
    await vscode.commands.executeCommand("headcount.copyId", ended);
    assert.equal(await vscode.env.clipboard.readText(), ended.sessionId);
    await vscode.commands.executeCommand("headcount.copyResumeCommand", ended);
    const command = `cd /home/dev/work/shop-api && codex resume ${ended.sessionId ?? ""}`;
    assert.equal(await vscode.env.clipboard.readText(), command);
    return undefined;
  },

  "a server that is killed comes back, with the same tree and no second notice": async (world) => {
    const { server } = world.headcount;
    const [before, said, pid] = [world.drawn(), world.said.length, server.pid];
    assert.ok(pid);
    process.kill(pid, "SIGKILL");
    await world.until("seen", () => server.state === "starting");
    assert.deepEqual(world.drawn(), before, "what was known stays while it is away");
    await world.until("back", () => server.state === "ready" && server.pid !== pid);
    await world.until("the same", () => world.drawn().join() === before.join());
    assert.equal(world.said.length, said);
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
};
