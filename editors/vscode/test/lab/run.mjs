// Runs the kinds of tests that are named, all where none is, and counts.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { run as runUnitTests } from "node:test";

const KINDS = {
  check,
  unit,
  host: () => script("test/lab/host.mjs"),
  tour: () => script("test/tour/tour.mjs"),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((it) => !(it in KINDS));
if (unknown.length) {
  console.error(`no such kind of test: ${unknown.join(", ")} (there are ${Object.keys(KINDS).join(", ")})`);
  process.exit(2);
}

const build = spawnSync(process.execPath, ["scripts/build.mjs", "--tests"], { stdio: "inherit" });
if (build.status !== 0) process.exit(1);

const total = { passed: 0, failed: 0 };
for (const kind of wanted.length ? wanted : Object.keys(KINDS)) {
  const { passed, failed } = await KINDS[kind]();
  total.passed += passed;
  total.failed += failed;
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed ? 1 : 0);

/** What the compiler, the linter and the schema say of the sources. */
function check() {
  const checks = {
    "types are sound": ["node_modules/typescript/bin/tsc", "--noEmit"],
    "lints are clean": ["node_modules/eslint/bin/eslint.js", "."],
    "format is kept": ["node_modules/prettier/bin/prettier.cjs", "--check", "--log-level=warn", "."],
    "the wire's types are those of the schema": ["scripts/generate-protocol.mjs", "--check"],
  };
  const count = { passed: 0, failed: 0 };
  for (const [name, args] of Object.entries(checks)) {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status === 0) count.passed += 1;
    else count.failed += 1;
    console.log(status === 0 ? `ok   check: ${name}` : `FAIL check: ${name}\n${stdout}${stderr}`);
  }
  return count;
}

async function unit() {
  const directory = "out/test/unit";
  const files = readdirSync(directory).filter((it) => it.endsWith(".test.js"));
  const count = { passed: 0, failed: 0 };
  const stream = runUnitTests({ files: files.map((it) => `${directory}/${it}`), concurrency: 2 });
  // A file stands in the stream as a test of its own, at the same level as those in it.
  const isFile = ({ name }) => name.endsWith(".test.js");
  stream.on("test:pass", (test) => {
    if (isFile(test)) return;
    count.passed += 1;
    console.log(`ok   unit: ${test.name}`);
  });
  stream.on("test:fail", (test) => {
    count.failed += 1;
    console.log(`FAIL unit: ${test.name}\n${test.details.error.cause?.stack ?? test.details.error.message}`);
  });
  for await (const _ of stream);
  return count;
}

/** A script prints a line a test, `ok   …` or `FAIL …`. One that ends badly without a failed test is one. */
function script(file) {
  const { stdout, status } = spawnSync(process.execPath, [file], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  process.stdout.write(stdout);
  const lines = stdout.split("\n");
  const passed = lines.filter((it) => it.startsWith("ok ")).length;
  const failed = lines.filter((it) => it.startsWith("FAIL ")).length;
  return { passed, failed: status !== 0 && failed === 0 ? 1 : failed };
}
