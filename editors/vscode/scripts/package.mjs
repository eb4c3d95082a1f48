// Makes headcount-<target>.vsix, with the program and its licences inside.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { project, releasedProgram } from "./program.mjs";

const target = process.env.HEADCOUNT_TARGET ?? `${process.platform}-${process.arch}`;
const vsce = fileURLToPath(new URL("../node_modules/@vscode/vsce/vsce", import.meta.url));

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
execFileSync(process.execPath, ["scripts/build.mjs", "--release"], { stdio: "inherit" });
rmSync("server", { recursive: true, force: true });
mkdirSync("server");
copyFileSync(releasedProgram(), "server/headcount");
chmodSync("server/headcount", 0o755);
const licences = ["LICENSE", "LICENSE-MIT", "LICENSE-APACHE"];
writeFileSync("LICENSE", licences.map((it) => readFileSync(path.join(project, it), "utf8")).join("\n\n"));
const args = ["package", "--no-dependencies", "--target", target, "--out", `headcount-${target}.vsix`];
execFileSync(process.execPath, [vsce, ...args, "--allow-missing-repository"], { stdio: "inherit" });
