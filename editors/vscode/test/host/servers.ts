/** What the extension makes of servers that are old, mute, half blind or gone. */

import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as vscode from "vscode";
import { COMMANDS } from "../../src/commands";
import type { AgentReport, ListResult, Notifications, Session } from "../../src/protocol.gen";
import type { Test, World } from "./world";

const config = () => vscode.workspace.getConfiguration("headcount");
const { Global } = vscode.ConfigurationTarget;

type Push = Pick<Notifications["session.changed"]["result"], "changes" | "problems">;

/** What the stand-in for a server does. */
interface Script {
  readonly methods: readonly string[];
  readonly replies: Record<
    string,
    { result?: unknown; error?: { code: number; message: string; data?: unknown }; after?: number }
  >;
  readonly pushes: readonly Push[];
  /** Whether it says nothing any more once it has said hello. */
  readonly hangs?: true;
}

const waits: Session = {
  sessionId: "5e551011",
  agent: "codex",
  status: "waiting",
  reason: "permission",
  certainty: "asserted",
  title: "Port the parser",
  kind: "main",
  updatedAt: "2026-01-01T00:00:00.000Z",
};
const report = (outcome: AgentReport["outcome"]): AgentReport => ({
  agent: "codex",
  outcome,
  sessions: 0,
  elapsedMs: 1,
  problems: [],
});
const list = (
  sessions: readonly Session[],
  outcome: AgentReport["outcome"] = "ok",
  more: Partial<ListResult> = {},
) => ({
  result: {
    ...{ sessions, total: sessions.length, complete: outcome === "ok", agents: [report(outcome)] },
    observedAt: "2026-01-01T00:00:00.000Z",
    ...more,
  } satisfies ListResult,
});

/** Has another server started, as if none had been heard before: nothing that the one before says is heard any more. */
async function switchTo({ headcount, until }: World, program: unknown, args: unknown): Promise<void> {
  const { server, sessions } = headcount;
  // Neither of the two programs is a server with the other's arguments.
  await config().update("server.args", args, Global);
  await until("the one before has left", () => server.state !== "ready");
  sessions.roster.replace([]);
  sessions.isKnown = false;
  sessions.pushes = 0;
  await config().update("server.path", program, Global);
}

/** Lets the stand-in speak for a while; then the real server is back. */
async function spokenToBy(world: World, script: Script, run: (say: (it: Script) => void) => Promise<void>) {
  const { server, sessions } = world.headcount;
  const file = path.join(world.root, "script.json");
  // The stand-in reads it at any time, and ends over half a script: it gets whole ones only.
  const say = (it: Script) => {
    writeFileSync(`${file}.new`, JSON.stringify(it));
    renameSync(`${file}.new`, file);
  };
  const [program, args] = [config().get("server.path"), config().get("server.args")];
  say(script);
  await switchTo(world, path.join(world.root, "stand-in"), [file]);
  try {
    await world.until(
      "the stand-in speaks",
      () => server.abilities.version === "0.0.1" && server.state === "ready",
    );
    await run(say);
  } finally {
    await switchTo(world, program, args);
    await world.until("the real one is back", () => server.can("session.launch"));
    await world.until("with its sessions", () => sessions.roster.size === 14 && sessions.pushes > 0);
  }
}

export const tests: Record<string, Test> = {
  "menus ask for what commands need, and for trust where something is changed": async ({ extension }) => {
    const { commands } = (
      extension.packageJSON as { contributes: { commands: { command: string; enablement?: string }[] } }
    ).contributes;
    const asks = (id: string) => commands.find((it) => it.command === id)?.enablement ?? "";
    for (const [id, { needs, needsTrust }] of Object.entries(COMMANDS)) {
      assert.equal(asks(id).match(/headcount\.can\.(\S+)/)?.[1], needs, id);
      assert.equal(asks(id).includes("isWorkspaceTrusted"), needsTrust === true, id);
    }
    const trusted = Object.keys(COMMANDS).filter((id) => COMMANDS[id]?.needsTrust);
    assert.deepEqual(
      trusted,
      ["launch", "launchWithSelection", "resume", "continue", "stop", "prune"].map((it) => `headcount.${it}`),
    );
    return undefined;
  },

  "an old server lists, and what it cannot do is not asked of it": async (world) => {
    const { server, treeView } = world.headcount;
    const old = { methods: ["session.list"], replies: { "session.list": list([waits]) }, pushes: [] };
    await spokenToBy(world, old, async () => {
      await world.until("it lists", () => world.drawn().includes("  Port the parser"));
      await world.until("it says so", () => /refresh to see them/.test(treeView.message ?? ""));
      assert.ok(!server.can("session.launch"));
      await assert.rejects(
        server.request("session.stop", { sessionId: "5e551011" }),
        /headcount 0\.0\.1 has no session\.stop: install a newer one/,
      );
    });
    return undefined;
  },

  "a server that is slow is waited for, and one that refuses is quoted, both without a popup": async (
    world,
  ) => {
    const { treeView, attention } = world.headcount;
    const slow = { methods: ["session.list"], replies: {}, pushes: [] };
    await spokenToBy(world, slow, async () => {
      await world.until("it is told", () => treeView.message === "Looking for sessions…");
      assert.deepEqual(world.drawn(), []);
      // That nobody needs anybody is not known, either.
      assert.equal(attention.item.tooltip, "Looking for sessions…");
    });
    const error = { code: 1008, message: "the ledger is locked", data: { hint: "wait" } };
    const refusing = { ...slow, replies: { "session.list": { error } } };
    await spokenToBy(world, refusing, async () => {
      await world.until("it is told", () =>
        /cannot be listed: the ledger is locked/.test(treeView.message ?? ""),
      );
    });
    return undefined;
  },

  "a server that takes long is waited for; one that hangs is ended, and whoever waits is told so": async (
    world,
  ) => {
    const { server } = world.headcount;
    const { answerMs, helloMs } = server.waits;
    const methods = ["session.list", "session.status"];
    const slow = { methods, replies: { "session.list": list([waits]) }, pushes: [] };
    const states: string[] = [];
    const listening = server.onState((it) => states.push(it));
    await spokenToBy(world, slow, async (say) => {
      server.waits.answerMs = 20;
      const asked = server.request("session.status", { sessionId: "5e551011" });
      const verdict = assert.rejects(asked, /^Error: the headcount server has ended$/);
      states.length = 0;
      await server.request("session.list", {});
      assert.equal(states.length, 0);
      server.waits.helloMs = 20;
      say({ ...slow, hangs: true });
      await verdict;
      server.waits.answerMs = answerMs;
      server.waits.helloMs = helloMs;
      await world.until("another one is started", () => states.includes("starting"));
    });
    listening.dispose();
    return undefined;
  },

  "a page that cannot be read is no document, and the server's own words say why": async (world) => {
    const error = { code: 1001, message: "no session has the id `5e551011`" };
    const methods = ["session.list", "session.status", "session.peek"];
    const replies = { "session.list": list([waits]), "session.status": { error } };
    await spokenToBy(world, { methods, replies, pushes: [] }, async () => {
      const opened = world.headcount.documents.open(waits, "transcript");
      await assert.rejects(Promise.resolve(opened), { message: error.message });
    });
    return undefined;
  },

  "an agent that cannot be looked at is named above the tree, until it is heard of again": async (world) => {
    const { treeView } = world.headcount;
    const methods = ["session.list", "session.watch"];
    const replies = { "session.list": list([], "timed_out"), "session.watch": { result: 1 } };
    const late: Push = { changes: [], problems: [{ kind: "timed_out", message: "codex: it is late" }] };
    await spokenToBy(world, { methods, replies, pushes: [] }, async (say) => {
      await world.until("it is named", () => /codex cannot be looked at/.test(treeView.message ?? ""));
      say({ methods, replies, pushes: [late] });
      await world.until("it is named once", () => treeView.message === "codex: it is late");
      say({ methods, replies, pushes: [late, { changes: [] }] });
      await world.until("it is heard", () => (treeView.message ?? "") === "");
    });
    return undefined;
  },

  "a list undoes nothing that was pushed meanwhile, nor takes rows of an agent that it missed": async (
    world,
  ) => {
    const { sessions, treeView } = world.headcount;
    const methods = ["session.list", "session.watch"];
    const runs: Session = { ...waits, status: "running", reason: "turn_in_progress" };
    const idle: Session = { ...waits, status: "idle", reason: "turn_ended" };
    const late = { observedAt: "2126-01-01T00:00:00.000Z" };
    const overtaking: Push = { changes: [{ kind: "changed", session: idle }] };
    const script = (listed: Script["replies"][string], ...more: Push[]): Script => ({
      methods,
      replies: { "session.list": listed, "session.watch": { result: 1 } },
      pushes: [{ changes: [{ kind: "added", session: runs }] }, ...more],
    });
    const statuses = () => sessions.roster.sessions().map((it) => it.status);
    await spokenToBy(world, script(list([runs])), async (say) => {
      await world.until("it is pushed", () => sessions.pushes > 0);
      const slow = { ...list([runs, { ...runs, sessionId: "0ther" }]), after: 2 };
      say(script(slow));
      const refreshed = sessions.refresh();
      say(script(slow, overtaking));
      await refreshed;
      assert.deepEqual(statuses(), ["running", "idle"], "the other one was new");
      say(script(list([], "timed_out", late), overtaking));
      await sessions.refresh();
      assert.deepEqual(statuses(), ["running", "idle"]);
      await world.until("it is said", () => /codex cannot be looked at/.test(treeView.message ?? ""));
      say(script(list([runs], "ok", late), overtaking));
      await sessions.refresh();
      assert.deepEqual(statuses(), ["running"]);
    });
    return undefined;
  },

  "what a server that pushes nothing could not see is said": async (world) => {
    const { treeView } = world.headcount;
    const problem = { kind: "unreadable", message: "the processes of this machine cannot be seen" } as const;
    const blind = list([waits], "ok", { problems: [problem] });
    const script = { methods: ["session.list"], replies: { "session.list": blind }, pushes: [] };
    await spokenToBy(world, script, async () => {
      await world.until("it is said", () => (treeView.message ?? "").includes(problem.message));
    });
    return undefined;
  },

  "what waited before is counted and not said; what comes to wait is said once": async (world) => {
    const { treeView } = world.headcount;
    const methods = ["session.list", "session.watch"];
    const replies = { "session.list": list([waits]), "session.watch": { result: 1 } };
    const added = (session: Session): Push => ({ changes: [{ kind: "added", session }] });
    const said = () => world.said.filter((it) => it.startsWith("codex"));
    await spokenToBy(world, { methods, replies, pushes: [added(waits)] }, async (say) => {
      await world.until("it is counted", () => treeView.badge?.value === 1);
      const late = { ...waits, sessionId: "1a7e", title: "Told late" };
      const fresh = {
        ...waits,
        sessionId: "f7e54",
        title: "Asked now",
        updatedAt: new Date(Date.now() + 1).toISOString(),
      };
      say({ methods, replies, pushes: [added(waits), added(late), added(fresh)] });
      await world.until("all are counted", () => treeView.badge?.value === 3);
      await world.until("the new one is said", () => said().length > 0);
      assert.deepEqual(said(), ["codex needs a permission: Asked now"]);
    });
    return undefined;
  },

  "an agent that ended before it told a session leads to what it said": async (world) => {
    const logPath = path.join(world.root, "launch.log");
    writeFileSync(logPath, "no such model\n");
    const launch = { launchId: "1", launchedAt: "2026-01-01T00:00:00.000Z", prompt: "Port it", logPath };
    const { sessionId: _, ...unnamed } = waits;
    const failed: Session = { ...unnamed, status: "failed", reason: "exit_code", launch };
    await spokenToBy(
      world,
      { methods: ["session.list"], replies: { "session.list": list([failed]) }, pushes: [] },
      async () => {
        await world.until("it lists", () => world.drawn().includes("  Port the parser"));
        const { command } = world.headcount.tree.getTreeItem(world.row("Port the parser"));
        assert.ok(command);
        await vscode.commands.executeCommand(command.command, ...((command.arguments ?? []) as unknown[]));
        await world.until(
          "it is shown",
          () => vscode.window.activeTextEditor?.document.getText() === "no such model\n",
        );
        await vscode.commands.executeCommand("workbench.action.closeAllEditors");
      },
    );
    return undefined;
  },

  "a setting of another type counts as not set, and is named": async (world) => {
    const { treeView } = world.headcount;
    const args = config().get("server.args");
    await config().update("server.args", "--proc", Global);
    await world.until("it is named", () => /server\.args` counts as not set/.test(treeView.message ?? ""));
    // Without that argument the processes are those of this machine.
    await world.until("the server is there", () => treeView.badge === undefined);
    await config().update("server.args", args, Global);
    await world.until("all is well", () => treeView.badge?.value === 2 && (treeView.message ?? "") === "");
    return undefined;
  },

  "a program of another kind is no server of ours, and is said to be none": async (world) => {
    const { treeView, server } = world.headcount;
    const [program, args] = [config().get("server.path"), config().get("server.args")];
    const script = path.join(world.root, "script.json");
    writeFileSync(script, JSON.stringify({ isOther: true, methods: [], replies: {}, pushes: [] }));
    const other = path.join(world.root, "stand-in");
    await switchTo(world, other, [script]);
    await world.until("it is said", () =>
      (treeView.message ?? "").includes(`\`${other}\` is no headcount server`),
    );
    await switchTo(world, program, args);
    await world.until("the real one is back", () => server.state === "ready" && world.drawn().length > 0);
    return undefined;
  },

  "a server that keeps ending is started less and less often, then given up, and nothing old is shown":
    async (world) => {
      const { server, treeView, attention } = world.headcount;
      const program = config().get("server.path");
      const states: string[] = [];
      const listening = server.onState((it) => states.push(it));
      const broken = path.join(world.root, "broken");
      writeFileSync(broken, "#!/bin/sh\necho 'it needs a newer library' >&2\nexit 1\n", { mode: 0o755 });
      await config().update("server.path", broken, Global);
      await world.until(
        "its words are quoted",
        () => treeView.message === "The server is starting again…\nit needs a newer library",
      );
      await world.until("it is given up", () => server.state === "failed", 60_000);
      listening.dispose();
      assert.ok(states.filter((it) => it === "starting").length >= 5, states.join(" "));
      await world.until("the tree is empty", () => world.drawn().length === 0);
      assert.equal(treeView.badge, undefined);
      assert.match(attention.item.text, /Headcount is off/);
      assert.equal(
        attention.item.accessibilityInformation?.label,
        "Headcount: the headcount server keeps ending",
      );
      await config().update("server.path", program, Global);
      await world.until("it is back", () => server.state === "ready" && world.drawn().length > 0);
      assert.equal(server.lastWords, "");
      return undefined;
    },
};
