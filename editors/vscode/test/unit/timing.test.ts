import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Patience, Throttled } from "../../src/timing";

test("a first call runs at once, and a burst after it once", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let runs = 0;
  const throttled = new Throttled(() => (runs += 1), 250);
  for (let call = 0; call < 9; call += 1) throttled.call();
  assert.equal(runs, 1);
  mock.timers.tick(250);
  assert.equal(runs, 2);
  mock.timers.tick(1_000);
  assert.equal(runs, 2, "nothing is run that nobody asked for");
  throttled.call();
  assert.equal(runs, 3);
  throttled.call();
  throttled.dispose();
  mock.timers.tick(1_000);
  assert.equal(runs, 3);
  mock.timers.reset();
});

test("patience is over only where nothing has come", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  let said = 0;
  const patience = new Patience(() => (said += 1), 1_000);
  patience.start();
  mock.timers.tick(999);
  patience.dispose();
  mock.timers.tick(1_000);
  assert.deepEqual([said, patience.isOver], [0, false]);
  patience.start();
  patience.start();
  mock.timers.tick(1_000);
  assert.deepEqual([said, patience.isOver], [1, true]);
  patience.dispose();
  mock.timers.reset();
});
