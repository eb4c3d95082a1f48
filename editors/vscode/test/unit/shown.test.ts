/** What every client shows alike: titles, ages and the order of the sessions. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Session } from "../../src/protocol.gen";
import { Roster } from "../../src/roster";
import { ageOf, titleOf } from "../../src/words";
import { session } from "./support";

interface Shown {
  readonly titles: readonly { readonly shown: string; readonly session: Partial<Session> }[];
  readonly ages: readonly { readonly shown: string; readonly seconds: number }[];
  readonly order: readonly Partial<Session>[];
}

const file = path.join(__dirname, "../../../../../tests/fixtures/shown.json");
const { titles, ages, order } = JSON.parse(readFileSync(file, "utf8")) as Shown;

test("titles are those that every client shows", () => {
  const { sessionId: _, ...unnamed } = session();
  for (const it of titles) assert.equal(titleOf({ ...unnamed, ...it.session }), it.shown);
});

test("ages are those that every client shows", () => {
  const now = Date.parse("2026-11-22T20:00:00.000Z");
  for (const { seconds, shown } of ages)
    assert.equal(ageOf(new Date(now - seconds * 1_000).toISOString(), now), shown);
});

test("sessions stand in the order of every client, that of session.list", () => {
  const { updatedAt: _, ...undated } = session();
  const roster = new Roster();
  roster.replace(order.map((it) => ({ ...undated, ...it })).reverse());
  assert.deepEqual(
    roster.sessions().map((it) => it.sessionId),
    order.map((it) => it.sessionId),
  );
});
