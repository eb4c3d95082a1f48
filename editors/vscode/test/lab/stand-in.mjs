// A server that does what a file says, for what the real one cannot be made to do: `stand-in.mjs SCRIPT serve`.
// The script: {methods, replies: {method: {result} | {error} | {}}, pushes, hangs?, isOther?}. What has neither result nor
// error is never answered, nor is a second hello where it hangs; what has `after` is held back until so many pushes were sent.
// One of another kind says hello as a language server. After `session.watch` each push, {changes, problems?}, is sent; the
// file is read again and again: to be told of its changes one would have to say from which on, and miss what came before.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const rpc = createRequire(import.meta.url)("vscode-jsonrpc/node");
const [file] = process.argv.slice(2);
const script = () => JSON.parse(readFileSync(file, "utf8"));
const connection = rpc.createMessageConnection(
  new rpc.StreamMessageReader(process.stdin),
  new rpc.StreamMessageWriter(process.stdout),
);
/** How long a change of the script may go unnoticed. */
const LOOK_MS = 20;
let sent = 0;
let hasGreeted = false;
/** Replies that are held back. */
const held = [];

function push() {
  for (const told of script().pushes.slice(sent)) {
    sent += 1;
    const result = { seq: sent, observedAt: new Date().toISOString(), ...told };
    void connection.sendNotification("session.changed", { subscription: 1, result });
  }
  for (const go of held.splice(0)) go();
}

connection.onRequest("initialize", () => {
  if (hasGreeted && script().hangs) return new Promise(() => {});
  hasGreeted = true;
  if (script().isOther) return { capabilities: { hoverProvider: true } };
  const headcount = { methods: script().methods, agents: script().agents ?? [] };
  return {
    serverInfo: { name: "headcount", version: "0.0.1" },
    protocolVersion: 1,
    capabilities: { experimental: { headcount } },
  };
});
connection.onRequest(async (method) => {
  const { result, error, after = 0 } = script().replies[method] ?? {};
  while (sent < after) await new Promise((go) => held.push(go));
  if (error) return new rpc.ResponseError(error.code, error.message, error.data);
  if (result === undefined) return new Promise(() => {});
  if (method === "session.watch") {
    setImmediate(push);
    setInterval(push, LOOK_MS);
  }
  return result;
});
connection.onClose(() => process.exit(0));
connection.listen();
