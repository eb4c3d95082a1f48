// Where the headcount program is: the one that goes into the package, and the one that tests speak to.
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const project = fileURLToPath(new URL("../../..", import.meta.url));

const built = (profile) => path.join(project, "target", profile, "headcount");

/** HEADCOUNT_BINARY, else what was built last in this project, else a new build. */
export function program() {
  const places = ["release", "debug"].map(built).filter(existsSync);
  const [newest] = places.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  return !process.env.HEADCOUNT_BINARY && newest ? newest : releasedProgram();
}

/** HEADCOUNT_BINARY, else what these sources make for people: nothing that was built once and may be old. */
export function releasedProgram() {
  if (process.env.HEADCOUNT_BINARY) return path.resolve(process.env.HEADCOUNT_BINARY);
  execFileSync("cargo", ["build", "--release", "--locked"], {
    cwd: project,
    stdio: ["ignore", 2, "inherit"],
  });
  return built("release");
}
