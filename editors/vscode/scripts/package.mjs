// Makes headcount-<target>.vsix, with the program inside.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { program } from "./program.mjs";

const target = process.env.HEADCOUNT_TARGET ?? `${process.platform}-${process.arch}`;
const vsce = fileURLToPath(new URL("../node_modules/@vscode/vsce/vsce", import.meta.url));

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
execFileSync(process.execPath, ["scripts/build.mjs", "--release"], { stdio: "inherit" });
rmSync("server", { recursive: true, force: true });
mkdirSync("server");
copyFileSync(program(), "server/headcount");
chmodSync("server/headcount", 0o755);
const args = ["package", "--no-dependencies", "--target", target, "--out", `headcount-${target}.vsix`];
execFileSync(process.execPath, [vsce, ...args, "--allow-missing-repository", "--skip-license"], {
  stdio: "inherit",
});
