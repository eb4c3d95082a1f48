import assert from "node:assert/strict";
import { test } from "node:test";
import { serverSettingsOf } from "../../src/settings";

test("settings of another type count as not set, and are named", () => {
  assert.deepEqual(serverSettingsOf("~/bin/headcount", ["--home", "/x"]), {
    path: "~/bin/headcount",
    args: ["--home", "/x"],
    wrong: [],
  });
  for (const [path, args] of [
    [5, "--home /x"],
    [null, ["--home", 5]],
  ]) {
    assert.deepEqual(serverSettingsOf(path, args), {
      path: "",
      args: [],
      wrong: [
        "`headcount.server.path` counts as not set: it is no text.",
        "`headcount.server.args` counts as not set: it is no list of texts.",
      ],
    });
  }
});
