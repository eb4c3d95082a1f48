// Where the headcount program is that goes into the package and that tests speak to.
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const project = fileURLToPath(new URL("../../..", import.meta.url));

/** HEADCOUNT_BINARY, else what was built last in this project, else a new build. */
export function program() {
  if (process.env.HEADCOUNT_BINARY) return path.resolve(process.env.HEADCOUNT_BINARY);
  const places = ["release", "debug"].map((it) => path.join(project, "target", it, "headcount"));
  const [newest] = places.filter(existsSync).sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (newest) return newest;
  execFileSync("cargo", ["build", "--release", "--locked"], { cwd: project, stdio: "inherit" });
  return places[0];
}
