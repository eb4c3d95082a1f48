import assert from "node:assert/strict";
import { test } from "node:test";
import { locate, type Places } from "../../src/locate";
import { Restarts } from "../../src/restarts";

const PLACES: Places = {
  setting: "",
  bundled: "/ext/server/headcount",
  searchPath: ["", "relative", "/usr/bin", "/opt/bin"],
  home: "/home/dev",
};

function found(places: Partial<Places>, ...programs: string[]): string | readonly string[] {
  const located = locate({ ...PLACES, ...places }, (file) => programs.includes(file));
  return located.kind === "found" ? located.program : located.tried;
}

test("the program is where the setting says, else in the extension, else on PATH", () => {
  const everywhere = ["/my/own", "/ext/server/headcount", "/opt/bin/headcount"];
  assert.equal(found({ setting: "/my/own" }, ...everywhere), "/my/own");
  assert.equal(found({}, ...everywhere), "/ext/server/headcount");
  assert.equal(found({}, "/opt/bin/headcount"), "/opt/bin/headcount");
  assert.equal(found({ setting: "~/bin/headcount" }, "/home/dev/bin/headcount"), "/home/dev/bin/headcount");
});

test("a bare name in the setting is looked for on PATH, as a shell would", () => {
  assert.equal(found({ setting: "headcount-beta" }, "/opt/bin/headcount-beta"), "/opt/bin/headcount-beta");
  assert.deepEqual(found({ setting: "headcount-beta" }), [
    "/usr/bin/headcount-beta",
    "/opt/bin/headcount-beta",
  ]);
});

test("a setting that is wrong is not silently replaced", () => {
  assert.deepEqual(found({ setting: "/my/own" }, "/ext/server/headcount"), ["/my/own"]);
});

test("relative places of PATH are not looked at, and every place that was tried is told", () => {
  assert.deepEqual(found({}), ["/ext/server/headcount", "/usr/bin/headcount", "/opt/bin/headcount"]);
});

test("pauses double, and after five ends it is given up", () => {
  const restarts = new Restarts();
  const pauses = [0, 1, 2, 3, 4].map((second) => restarts.pauseAfter(second * 1_000));
  assert.deepEqual(pauses, [1_000, 2_000, 4_000, 8_000, undefined]);
});

test("ends that lie far back do not count, and neither do those before a person's restart", () => {
  const restarts = new Restarts();
  for (let hour = 0; hour < 20; hour += 1) assert.equal(restarts.pauseAfter(hour * 3_600_000), 1_000);
  const again = new Restarts();
  for (let end = 0; end < 6; end += 1) again.pauseAfter(end);
  again.forget();
  assert.equal(again.pauseAfter(10), 1_000);
});
