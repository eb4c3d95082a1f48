import assert from "node:assert/strict";
import { test } from "node:test";
import { ResponseError } from "vscode-jsonrpc";
import { inWords } from "../../src/errors";

const told = (data: unknown) => inWords(new ResponseError(1006, "codex did not come up", data));

test("an agent that did not come up is quoted, and otherwise the hint is given", () => {
  assert.equal(told({ hint: "look at it" }), "codex did not come up. look at it");
  assert.equal(
    told({ hint: "look at it", output: "warming up\nno such model\n" }),
    "codex did not come up: no such model",
  );
  assert.equal(told({ hint: "look at it", output: "\n" }), "codex did not come up. look at it");
  assert.equal(told(undefined), "codex did not come up");
  assert.equal(inWords("plain"), "plain");
});
