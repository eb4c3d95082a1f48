// Runs test/host inside the extension host of a real VS Code, from this unpacked folder, and prints what it found.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { install, makeWorld, openBrowser, PATIENCE_MS, startEditor, until } from "./lab.mjs";

const extension = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
install();
const world = makeWorld();
const editor = await startEditor(world);
const { browser, page } = await openBrowser();
let failed = 0;
try {
  // A built VS Code takes tests from the address only where its page says that it is being tested.
  await page.addInitScript(() => {
    const original = Element.prototype.getAttribute;
    Element.prototype.getAttribute = function (name) {
      const value = original.call(this, name);
      if (this.id !== "vscode-workbench-web-configuration" || name !== "data-settings" || !value)
        return value;
      const settings = JSON.parse(value);
      settings.developmentOptions = { ...settings.developmentOptions, enableSmokeTestDriver: true };
      return JSON.stringify(settings);
    };
  });
  const remote = (file) => `vscode-remote://127.0.0.1:${editor.port}${file}`;
  const payload = JSON.stringify([
    ["extensionDevelopmentPath", remote(extension)],
    ["extensionTestsPath", remote(path.join(extension, "out/test/host/index.js"))],
  ]);
  await page.goto(`${editor.url}/?folder=${world.workspace}&payload=${encodeURIComponent(payload)}`);
  const results = path.join(world.root, "results.json");
  await until("the tests in the extension host have ended", () => existsSync(results), 10 * PATIENCE_MS);
  for (const { name, error, note } of JSON.parse(readFileSync(results, "utf8"))) {
    if (error) failed += 1;
    console.log(error ? `FAIL host: ${name}\n${error}` : `ok   host: ${name}${note ? ` (${note})` : ""}`);
  }
} finally {
  await browser.close();
  await editor.stop();
  if (failed && process.env.HEADCOUNT_KEEP) console.error(`kept: ${world.root}`);
  else world.remove();
}
process.exit(failed ? 1 : 0);
