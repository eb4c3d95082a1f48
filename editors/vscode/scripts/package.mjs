// Makes headcount-<target>.vsix with the program inside: HEADCOUNT_BINARY, else the newest build of this project.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const project = fileURLToPath(new URL("../../../", import.meta.url));
const target = process.env.HEADCOUNT_TARGET ?? `${process.platform}-${process.arch}`;

/** The program to put in: the one that was built last. */
function program() {
  if (process.env.HEADCOUNT_BINARY) return process.env.HEADCOUNT_BINARY;
  const built = ["release", "debug"].map((it) => `${project}target/${it}/headcount`).filter(existsSync);
  const [newest] = built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (newest) return newest;
  execFileSync("cargo", ["build", "--release", "--locked"], { cwd: project, stdio: "inherit" });
  return `${project}target/release/headcount`;
}

execFileSync(process.execPath, ["scripts/build.mjs", "--release"], { stdio: "inherit" });
rmSync("server", { recursive: true, force: true });
mkdirSync("server");
copyFileSync(program(), "server/headcount");
chmodSync("server/headcount", 0o755);
const vsix = `headcount-${target}.vsix`;
const vsce = fileURLToPath(new URL("../node_modules/@vscode/vsce/vsce", import.meta.url));
const args = ["package", "--no-dependencies", "--target", target, "--out", vsix];
execFileSync(process.execPath, [vsce, ...args, "--allow-missing-repository", "--skip-license"], {
  stdio: "inherit",
});
