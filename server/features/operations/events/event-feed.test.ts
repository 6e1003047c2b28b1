// The feed of changes through the API: in the order in which they became visible, whichever transaction began first.

import assert from "node:assert/strict";
import { test } from "node:test";
import { recordEvent, systemActor } from "../../../platform/audit/audit.ts";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import { openEvents } from "../../../../test/support/event-reader.ts";
import type { EventReader, ReceivedEvent } from "../../../../test/support/event-reader.ts";

async function read(reader: EventReader, count: number): Promise<ReceivedEvent[]> {
  const events: ReceivedEvent[] = [];
  while (events.length < count) {
    const event = await reader.next();
    if (event === undefined) throw new Error("The stream ended.");
    if (event.event === "change") events.push(event);
  }
  return events;
}

test("D7 S2: changes come live and in order, resume behind any id, and one that commits late is not missed by who is further", async (t) => {
  const node = await startApiNode(t);
  const url = `${node.url}/api/Spaces-1/events/stream`;
  const open = (lastEventId?: string) => openEvents(url, { apiKey: node.adminKey, lastEventId });
  const reader = await open();
  const first = await reader.next();
  assert.equal(first!.event, "begin");
  await make.environment(node, "One");
  const [one] = await read(reader, 1);
  assert.deepEqual([one!.data.Category, one!.data.SpaceId], ["Created", "Spaces-1"]);
  assert.match(one!.data.Message, /One/);

  // Its number is given before that of the next, and it commits after it.
  const event = (message: string) => ({ spaceId: "Spaces-1", category: "Created", actor: systemActor, message, relatedDocumentIds: [] });
  const written = Promise.withResolvers<void>();
  const mayCommit = Promise.withResolvers<void>();
  const late = node.database.transaction(async (tx) => {
    await recordEvent(tx, event("late"));
    written.resolve();
    await mayCommit.promise;
  });
  await written.promise;
  await make.environment(node, "Two");
  await node.database.transaction((tx) => recordEvent(tx, { ...event("elsewhere"), spaceId: null }));
  mayCommit.resolve();
  await late;
  const rest = await read(reader, 2);
  assert.deepEqual(new Set(rest.map((change) => change.data.Message)).size, 2);
  assert.ok(rest.some((change) => change.data.Message === "late") && rest.some((change) => /Two/.test(change.data.Message as string)));

  // Behind the beginning everything comes again; behind each the ones after it. What belongs to no space is not shown in one.
  const ids = [first!.id, one!.id, ...rest.map((change) => change.id)];
  for (let n = 0; n < 3; n++) {
    const again = await read(await open(ids[n]), 3 - n);
    assert.deepEqual(
      again.map((change) => change.id),
      ids.slice(n + 1),
    );
  }
  assert.equal((await open("x")).status, 400);
  assert.equal((await open("99999999999-1")).status, 400);
  assert.equal((await openEvents(url, { apiKey: node.nobodyKey })).status, 403);
});
