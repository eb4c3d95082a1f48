// The conversation from vscode-jsonrpc, which VS Code extensions speak.

"use strict";
const assert = require("node:assert");
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const { once } = require("node:events");
const rpc = require("vscode-jsonrpc/node");

const { HEADCOUNT, WORLD, TARGET, SESSION } = process.env;

async function main() {
  const child = spawn(HEADCOUNT, ["--home", `${WORLD}/home`, "--proc", `${WORLD}/proc`, "serve"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const connection = rpc.createMessageConnection(
    new rpc.StreamMessageReader(child.stdout),
    new rpc.StreamMessageWriter(child.stdin),
  );
  let isBegun, isAdded;
  const begun = new Promise((resolve) => (isBegun = resolve));
  const added = new Promise((resolve) => (isAdded = resolve));
  connection.onNotification("session.changed", ({ result }) => {
    const arrived = (it) => it.kind === "added" && it.session.sessionId === SESSION;
    if (result.seq === 1) isBegun();
    else if (result.changes.some(arrived)) isAdded();
  });
  connection.listen();

  const hello = await connection.sendRequest("initialize", { processId: process.pid });
  assert.strictEqual(hello.serverInfo.name, "headcount");
  assert(hello.capabilities.experimental.headcount.methods.includes("session.list"));
  await connection.sendNotification("initialized");

  const { sessions } = await connection.sendRequest("session.list");
  assert(sessions.length > 0 && sessions.every((it) => it.sessionId !== SESSION));
  await assert.rejects(connection.sendRequest("session.list", { colour: "red" }), { code: -32602 });
  await assert.rejects(connection.sendRequest("session.dance"), { code: -32601 });

  const source = new rpc.CancellationTokenSource();
  const wait = { filter: { agents: ["codex"] }, until: ["waiting"], timeoutMs: 600_000 };
  const waiting = connection.sendRequest("session.wait", wait, source.token);
  source.cancel();
  await assert.rejects(waiting, { code: -32800 });

  const subscription = await connection.sendRequest("session.watch");
  await begun; // the snapshot
  fs.copyFileSync(`${WORLD}/arriving.jsonl`, TARGET);
  await added;
  assert.strictEqual(await connection.sendRequest("session.unwatch", { subscription }), true);

  assert.strictEqual(await connection.sendRequest("shutdown"), null);
  await connection.sendNotification("exit");
  assert.deepStrictEqual(await ended, [0, null]);
  connection.dispose();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
