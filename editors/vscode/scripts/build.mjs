// Bundles the extension into dist/; with --tests, the tests into out/ too.
import { readdirSync } from "node:fs";
import { build } from "esbuild";

const common = {
  bundle: true,
  platform: "node",
  target: "node20",
  external: ["vscode"],
  format: "cjs",
  logLevel: "warning",
};
const isRelease = process.argv.includes("--release");
await build({
  ...common,
  entryPoints: ["src/extension.ts"],
  outfile: "dist/extension.js",
  minify: isRelease,
  sourcemap: isRelease ? false : "inline",
});
if (process.argv.includes("--tests")) {
  const tests = readdirSync("test/unit").filter((it) => it.endsWith(".test.ts"));
  await build({
    ...common,
    entryPoints: [...tests.map((it) => `test/unit/${it}`), "test/host/index.ts"],
    outdir: "out/test",
    outbase: "test",
    sourcemap: "inline",
  });
}
