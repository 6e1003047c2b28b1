// What a ticket may look like, and that its file is read by version: known ones as they were written, newer ones not at all.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTicketState, ticketKey, ticketStateVersion } from "./ticket-state.ts";

/** A file as version 1 wrote it. It stays here for ever: every later agent must read it. */
const version1 =
  '{"version":1,"ticket":"Abc-1","phase":"finished","taskId":"ServerTasks-7","bootId":"b","attempt":2,"mutexName":"RunningScript","exclusive":true,' +
  '"mutexTimeoutMs":9007199254740991,"arguments":["a b"],"createdAt":"2026-01-01T00:00:00.000Z","cancelRequested":false,"exitCode":5,' +
  '"finishedAt":"2026-01-01T00:00:01.000Z","logLines":12}\n';

test("a file of version 1 is read", () => {
  const state = parseTicketState(version1, "x.json");
  assert.deepEqual(
    [state.ticket, state.phase, state.exitCode, state.logLines, state.attempt, state.exclusive, state.arguments],
    ["Abc-1", "finished", 5, 12, 2, true, ["a b"]],
  );
});

test("D11: a file of a newer version is refused with a sentence that says what to do", () => {
  const newer = version1.replace('"version":1', `"version":${ticketStateVersion + 1}`);
  assert.throws(() => parseTicketState(newer, "x.json"), {
    kind: "newer-version",
    message: /x\.json was written by a newer agent .* Start that agent again/,
  });
});

for (const [what, text] of [
  ["an empty file", ""],
  ["half a file", version1.slice(0, 100)],
  ["another kind of file", "[1]"],
  ["a finished script without exit code", version1.replace('"exitCode":5', '"exitCode":null')],
  ["an unknown phase", version1.replace("finished", "perhaps")],
  ["a file without version", version1.replace('"version":1,', "")],
] as const) {
  test(`D5: ${what} is called damaged`, () => assert.throws(() => parseTicketState(text, "x.json"), { kind: "damaged" }));
}

test("tickets are letters, digits and hyphens, and letter case does not tell them apart", () => {
  assert.equal(ticketKey("aB-9"), "ab-9");
  for (const bad of ["", "..", "a/b", "../x", "a\\b", "a b", "ä", "a.b", "a\0", "a\n", "x".repeat(101), 7, null, undefined])
    assert.equal(ticketKey(bad), undefined);
});
