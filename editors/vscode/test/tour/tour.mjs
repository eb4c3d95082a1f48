// Walks through the extension in the window of a real VS Code, as a person would, with the package that people install.
// Each step asserts; pictures of the way are left in out/tour/. With HEADCOUNT_BLESS=1, docs/sidebar.png is taken anew.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { project } from "../../scripts/program.mjs";
import { install, installExtension, makeWorld, openBrowser, startEditor, until } from "../lab/lab.mjs";

const extension = fileURLToPath(new URL("../..", import.meta.url));
const pictures = path.join(extension, "out/tour");
mkdirSync(pictures, { recursive: true });
install();

const world = makeWorld();
world.settings({ "headcount.server.args": ["--proc", world.proc] });
execFileSync(process.execPath, [path.join(extension, "scripts/package.mjs")], {
  env: { ...process.env, HEADCOUNT_BINARY: world.program },
  stdio: ["ignore", "ignore", "inherit"],
});
installExtension(world, path.join(extension, `headcount-${process.platform}-${process.arch}.vsix`));
const editor = await startEditor(world);
const { browser, page } = await openBrowser();

const row = (name) => page.getByRole("treeitem", { name });
const toast = page.locator(".notification-toast");
const input = page.locator(".quick-input-widget");
const dialog = page.locator(".monaco-dialog-box");
const picture = (name) => page.screenshot({ path: path.join(pictures, `${name}.png`) });

async function runCommand(title) {
  await page.keyboard.press("F1");
  await input.locator("input").first().fill(`>Headcount: ${title}`);
  await input
    .getByRole("option", { name: `Headcount: ${title}` })
    .first()
    .click();
}

/** Answers which agent is meant, when that is asked: Codex's stand-in. */
async function chooseCodex() {
  await page.keyboard.type("Codex");
  await input
    .getByRole("option", { name: /^Codex/ })
    .first()
    .waitFor();
  await page.keyboard.press("Enter");
}

/** Shows the actions beside the sidebar's title. A tooltip of the row that the pointer was left on would be in its way. */
async function showActions() {
  const { width, height } = page.viewportSize() ?? { width: 1000, height: 600 };
  await page.mouse.move(width - 100, height / 2);
  await page.locator(".part.sidebar").hover({ position: { x: 30, y: 12 } });
}

/** Launches Codex's stand-in, which does what the prompt says. */
async function launch(prompt) {
  await showActions();
  await page.locator('.part.sidebar a[aria-label^="Launch Agent"]').first().click();
  await input.getByText("Which agent?").or(input.getByPlaceholder("Which agent?")).first().waitFor();
  await chooseCodex();
  await input.getByText("What should the agent do?").waitFor();
  await page.keyboard.type(prompt);
  await page.keyboard.press("Enter");
  await input.getByPlaceholder("Where?").waitFor();
  await page.keyboard.press("Enter");
}

/** The server that the extension runs: the program inside the installed package. */
function serverPid() {
  const inside = path.join(world.root, "extensions");
  const isServer = (pid) => {
    try {
      const isOurs = readlinkSync(`/proc/${pid}/exe`).startsWith(inside);
      return isOurs && readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes("serve");
    } catch {
      return false;
    }
  };
  return readdirSync("/proc")
    .filter((it) => /^\d+$/.test(it))
    .map(Number)
    .find(isServer);
}

/** The processes that work in a directory or below it. */
function processesIn(directory) {
  const cwd = (pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`);
    } catch {
      return "";
    }
  };
  const pids = readdirSync("/proc").filter((it) => /^\d+$/.test(it));
  return pids.filter((it) => cwd(it).startsWith(`${directory}/`)).map(Number);
}

/** Rewrites the live record of a Claude Code process, as it does itself. */
function rewrite(pid, members) {
  const file = path.join(world.home, `.claude/sessions/${pid}.json`);
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...members }));
}

/** Does something to a list that may change meanwhile, until it has the effect that it waits for. */
async function persist(act, attempts = 4) {
  for (let left = attempts; ; left -= 1) {
    try {
      return await act();
    } catch (error) {
      if (left <= 1) throw error;
      await page.keyboard.press("Escape");
    }
  }
}

/** Drags the border of the side bar. */
async function widen(x) {
  const { width, x: left, y, height } = await page.locator(".part.sidebar").boundingBox();
  await page.mouse.move(left + width, y + height - 40);
  await page.mouse.down();
  await page.mouse.move(x, y + height - 40, { steps: 5 });
  await page.mouse.up();
  await page.mouse.move(x + 200, y + height - 40);
}

/** Takes the picture of the README: the side bar as wide as people have it, its badge, and the status bar below. */
async function takePortrait() {
  const [left, height] = [480, 560];
  await page.setViewportSize({ width: 1000, height });
  await widen(left);
  const clip = { x: 0, y: 34, width: left, height: height - 34 };
  await page.screenshot({ path: path.join(project, "docs/sidebar.png"), clip });
  await page.setViewportSize({ width: 1280, height: 800 });
  await widen(520);
}

const STEPS = {
  "the package holds what it needs and nothing else": () => {
    const extensions = path.join(world.root, "extensions");
    const [installed] = readdirSync(extensions).filter((it) => it.startsWith("headcount.headcount-"));
    const files = readdirSync(path.join(extensions, installed), { recursive: true, withFileTypes: true });
    assert.deepEqual(
      files
        .filter((it) => it.isFile())
        .map((it) => it.name)
        .sort(),
      [
        ...[".vsixmanifest", "LICENSE.txt", "changelog.md", "extension.js", "headcount", "headcount.svg"],
        ...["icon.png", "package.json", "readme.md"],
      ],
    );
  },

  "the tree shows the recorded sessions": async () => {
    await page.goto(`${editor.url}/?folder=${world.workspace}`);
    const icon = page.locator('.activitybar .action-item:has(a[aria-label^="Headcount"])');
    await icon.waitFor();
    await icon.click();
    await row(/^Migrate the payments table, waiting for a permission/).waitFor();
    await widen(520);
    for (const name of [
      ...[
        /^Needs you, 2 sessions/,
        /^Redesign the settings page, waiting for an answer/,
        /^Running, 2 sessions/,
      ],
      ...[/^Find out why the retry test is flaky, running/, /^Bring the README up to date, idle/],
      ...[/^Investigate the crash on start, failed/, /^Review the Terraform plan, stopped: completed/],
    ]) {
      assert.equal(await row(name).count(), 1, String(name));
    }
  },

  "badge and status bar count what waits": async () => {
    const badge = page.locator('.activitybar .action-item:has(a[aria-label^="Headcount"]) .badge-content');
    await badge.filter({ hasText: /^2$/ }).waitFor();
    const item = page.locator("#headcount\\.headcount\\.headcount\\.status");
    await item.filter({ hasText: "2 need you" }).waitFor();
    await picture("1-tree");
    if (process.env.HEADCOUNT_BLESS) await takePortrait();
  },

  "a search narrows the tree while it is typed, says so, and is cleared": async () => {
    await runCommand("Search Sessions…");
    await input.getByPlaceholder("Title, prompt, directory, branch or id").waitFor();
    await page.keyboard.type("terraform");
    await row(/^Migrate the payments table/).waitFor({ state: "detached" });
    await page.locator(".part.sidebar").getByText("Only “terraform”").waitFor();
    await picture("1-search");
    await page.keyboard.press("Enter");
    assert.equal(await row(/^Review the Terraform plan/).count(), 1);
    await showActions();
    await page.locator('.part.sidebar a[aria-label^="Clear Search"]').first().click();
    await row(/^Migrate the payments table/).waitFor();
  },

  "a search that finds nothing says so, and leads back": async () => {
    await runCommand("Search Sessions…");
    await input.getByPlaceholder("Title, prompt, directory, branch or id").waitFor();
    await page.keyboard.type("no such session");
    const sidebar = page.locator(".part.sidebar");
    await sidebar.getByText("No session matches the search and filters.").waitFor();
    await page.keyboard.press("Enter");
    await sidebar.getByText("Show All Sessions").click();
    await row(/^Migrate the payments table/).waitFor();
  },

  "a click opens the transcript": async () => {
    await row(/^Find out why the retry test is flaky/).click();
    await page.getByRole("tab", { name: /Find out why the retry test is flaky/ }).waitFor();
    await page.locator(".view-lines").getByText("fails once in twenty runs").first().waitFor();
    await picture("2-transcript");
  },

  "a running session that starts to wait shows up by itself, and takes no focus": async () => {
    rewrite(4303, { status: "waiting", waitingFor: "permission prompt" });
    // A notification goes by itself, a row stays.
    await toast
      .getByText("Claude Code needs a permission in shop-api: Find out why the retry test is flaky")
      .waitFor();
    await row(/^Find out why the retry test is flaky, waiting for a permission/).waitFor();
    await picture("3-waiting");
    const isInToast = () => document.activeElement?.closest(".notifications-toasts") !== null;
    assert.equal(await page.evaluate(isInToast), false);
    await runCommand("Refresh");
    rewrite(4303, { status: "busy", waitingFor: undefined });
    await row(/^Find out why the retry test is flaky, running/).waitFor();
  },

  "a status is explained": async () => {
    // Rows may move under the pointer while the list is told anew: what was clicked is seen only afterwards.
    const evidence = page.locator(".view-lines").getByText("live processes: process 4101").first();
    await persist(async () => {
      await row(/^Migrate the payments table/).click({ button: "right" });
      // By the keyboard: a menu that has just opened takes no clicks for a moment.
      await page.locator(".monaco-menu").getByText("Explain Status").hover({ timeout: 5_000 });
      await page.keyboard.press("Enter");
      await evidence.waitFor({ timeout: 5_000 });
    });
    await picture("4-evidence");
  },

  "a session leads to its directory, in a window of its own": async () => {
    const choose = async () => {
      await row(/^Bring the README up to date/).click({ button: "right", timeout: 10_000 });
      await page.locator(".monaco-menu").getByText("Open Directory in New Window").hover({ timeout: 5_000 });
      await page.keyboard.press("Enter");
    };
    // A key may come before the menu heeds it: that shows only in that no window opens.
    const [window] = await persist(() =>
      Promise.all([page.context().waitForEvent("page", { timeout: 30_000 }), choose()]),
    );
    assert.match(window.url(), /folder=\/home\/dev\/work\/shop-web$/);
    await window.close();
  },

  "other arguments start another server: with the real processes, what was live is over": async () => {
    world.settings({ "headcount.server.args": [] });
    await row(/^Needs you/).waitFor({ state: "detached" });
    await row(/^Recent, 13 sessions/).waitFor();
  },

  "an agent is launched, with progress": async () => {
    await launch("Fix the failing test");
    await toast.getByText(/Launching Codex/).waitFor();
    await picture("5-launching");
    await row(/^Fix the failing test, running/).waitFor();
    await toast.getByText(/Launching Codex/).waitFor({ state: "detached" });
  },

  "where an agent works already, a second one is launched only on demand, and can be cancelled": async () => {
    await launch("sleep 600");
    await dialog.getByText("That directory is locked by Codex.").waitFor();
    await picture("6-locked");
    await dialog.getByRole("button", { name: "Launch Anyway" }).click();
    const attempt = toast.filter({ hasText: "Launching Codex: waiting for the agent" });
    await attempt.getByRole("button", { name: "Cancel" }).click();
    await until("no launch is in progress", async () => (await toast.getByText(/Launching/).count()) === 0);
    await toast.getByText("The launch of Codex was called off.").waitFor();
  },

  "what is selected in an editor is a prompt, with all its lines": async () => {
    const note = path.join(world.workspace, "note.md");
    writeFileSync(note, "echo one > lines\nsleep 600\n");
    await page.keyboard.press("Control+P");
    await input.locator("input").first().fill("note.md");
    await input
      .getByRole("option", { name: /^note\.md/ })
      .first()
      .click();
    await page.locator(".view-lines").getByText("sleep 600").first().click();
    await page.keyboard.press("Control+A");
    await runCommand("Launch Agent with Selection…");
    await input.getByPlaceholder("Which agent?").waitFor();
    await chooseCodex();
    await input.getByPlaceholder("Where?").waitFor();
    await page.keyboard.press("Enter");
    await dialog.getByText("That directory is locked by Codex.").waitFor();
    await dialog.getByRole("button", { name: "Launch Anyway" }).click();
    const attempt = toast.filter({ hasText: "Launching Codex: waiting for the agent" });
    // The stand-in is a shell: its second line is obeyed after the first.
    await until("both lines have come", () => existsSync(path.join(world.workspace, "lines")));
    await attempt.getByRole("button", { name: "Cancel" }).click();
    await until("no launch is in progress", async () => (await toast.getByText(/Launching/).count()) === 0);
  },

  "a session is stopped, when that is confirmed": async () => {
    const running = row(/^Fix the failing test, running/);
    await running.hover();
    await running.getByRole("button", { name: "Stop…" }).click();
    await dialog.getByText("Stop this session of Codex?").waitFor();
    await picture("7-stop");
    await dialog.getByRole("button", { name: "Stop", exact: true }).click();
    await running.waitFor({ state: "detached" });
    await row(/^Fix the failing test/).waitFor();
  },

  "a session that has ended goes on with a prompt, where nobody watches it": async () => {
    // What was called off claims the directory for as long as it takes to end.
    await row(/^echo one/).waitFor({ state: "detached" });
    await persist(async () => {
      await row(/^Fix the failing test/).click({ button: "right" });
      await page.locator(".monaco-menu").getByText("Continue with Prompt…").hover({ timeout: 5_000 });
      await page.keyboard.press("Enter");
      await input.getByText("What should the agent do?").waitFor({ timeout: 5_000 });
    });
    await page.keyboard.type("Now write the changelog");
    await picture("8-continue");
    await page.keyboard.press("Enter");
    // Codex's stand-in keeps no records: the session is called by what it was asked last.
    const running = row(/^Now write the changelog, running/);
    await running.waitFor();
    await running.hover();
    await running.getByRole("button", { name: "Stop…" }).click();
    await dialog.getByRole("button", { name: "Stop", exact: true }).click();
    await row(/^Now write the changelog, stopped/).waitFor();
  },

  "ended launches are forgotten, after a preview": async () => {
    await runCommand("Forget Ended Launches…");
    await dialog.getByText("Forget 2 entries?").waitFor();
    await dialog.getByText("Launch of Codex, “Now write the changelog”: it has ended").first().waitFor();
    await picture("9-prune");
    await dialog.getByRole("button", { name: "Forget", exact: true }).click();
    await row(/^Now write the changelog/).waitFor({ state: "detached" });
  },

  "a server that is killed comes back": async () => {
    const before = serverPid();
    assert.ok(before);
    process.kill(before, "SIGKILL");
    await until("another server runs", () => (serverPid() ?? before) !== before);
    await row(/^Review the Terraform plan/).waitFor();
    await runCommand("Show Log");
    // Without its native logger, this VS Code shows the channel and nothing in it.
    await page.locator(".part.panel").getByText("Output", { exact: true }).first().waitFor();
    await picture("10-back");
  },
};

let failed = 0;
try {
  for (const [name, step] of Object.entries(STEPS)) {
    try {
      await step();
      console.log(`ok   tour: ${name}`);
    } catch (error) {
      // Each step begins where the one before it has ended.
      failed += 1;
      console.log(`FAIL tour: ${name}\n${error.stack}`);
      await picture("failed");
      break;
    }
  }
} finally {
  await browser.close();
  await editor.stop();
  // What was launched outlives the editor, as it should.
  for (const pid of processesIn(world.root)) process.kill(pid, "SIGKILL");
  if (failed && process.env.HEADCOUNT_KEEP) console.error(`kept: ${world.root}`);
  else world.remove();
}
process.exit(failed ? 1 : 0);
