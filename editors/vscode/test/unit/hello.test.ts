import assert from "node:assert/strict";
import { test } from "node:test";
import { abilitiesOf } from "../../src/hello";

test("a hello is read whatever its shape", () => {
  const ours = { methods: ["session.list"], agents: [] };
  const answer = (headcount: unknown) => ({
    serverInfo: { version: "1" },
    capabilities: { experimental: { headcount } },
  });
  assert.deepEqual(abilitiesOf(answer(ours)), {
    version: "1",
    methods: new Set(["session.list"]),
    agents: [],
  });
  for (const other of [null, undefined, "text", {}, { methods: {}, agents: null }]) {
    assert.equal(abilitiesOf(answer(other)), undefined);
    assert.equal(abilitiesOf(other), undefined);
  }
});
