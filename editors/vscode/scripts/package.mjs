// Makes headcount-<target>.vsix, with the program, what has changed, and the licences of all that is inside.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { project, releasedProgram } from "./program.mjs";

const here = `${process.platform}-${process.arch}`;
const target = process.env.HEADCOUNT_TARGET ?? here;
if (target !== here && !process.env.HEADCOUNT_BINARY) {
  console.error(`a program built here does not run on ${target}: name one that does in HEADCOUNT_BINARY`);
  process.exit(2);
}
const vsce = fileURLToPath(new URL("../node_modules/@vscode/vsce/vsce", import.meta.url));

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
execFileSync(process.execPath, ["scripts/build.mjs", "--release"], { stdio: "inherit" });
rmSync("server", { recursive: true, force: true });
mkdirSync("server");
copyFileSync(releasedProgram(), "server/headcount");
chmodSync("server/headcount", 0o755);
copyFileSync(path.join(project, "CHANGELOG.md"), "CHANGELOG.md");
const ours = ["LICENSE", "LICENSE-MIT", "LICENSE-APACHE"].map((it) => path.join(project, it));
const bundled = path.resolve("node_modules/vscode-jsonrpc/License.txt");
const heading = "dist/extension.js contains vscode-jsonrpc:";
const licences = [...ours.map(readText), heading, readText(bundled)];
writeFileSync("LICENSE", licences.map((it) => it.trimEnd()).join("\n\n") + "\n");
const args = ["package", "--no-dependencies", "--target", target, "--out", `headcount-${target}.vsix`];
execFileSync(process.execPath, [vsce, ...args, "--allow-missing-repository"], { stdio: "inherit" });

function readText(file) {
  return readFileSync(file, "utf8");
}
