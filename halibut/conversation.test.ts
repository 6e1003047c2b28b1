/** The conversation table: complete, free of dead ends, and strict about whose turn it is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { advance, allStates, movesIn, startOf } from "./conversation.ts";
import type { ConversationState, Move } from "./conversation.ts";
import { ProtocolError } from "./errors.ts";

function play(from: ConversationState, moves: readonly Move[]): ConversationState {
  return moves.reduce(advance, from);
}

test("every state can be reached from a beginning, and from every state the end or another exchange", () => {
  const reached = new Set<ConversationState>([startOf("connector"), startOf("listener")]);
  for (const state of reached) for (const move of movesIn(state)) reached.add(advance(state, move));
  assert.deepEqual([...reached].sort(), allStates().sort());
  for (const state of allStates()) assert.ok(state === "ended" || movesIn(state).length > 0, state);
});

test("a caller makes several calls over one connection, each after NEXT and PROCEED", () => {
  const begin: Move[] = ["send hello", "send client-identity", "receive server-identity"];
  const exchange: Move[] = ["send request", "receive response"];
  const again: Move[] = ["send NEXT", "receive PROCEED"];
  assert.equal(play(startOf("connector"), [...begin, ...exchange, ...again, ...exchange, "send END"]), "ended");
  assert.throws(() => play(startOf("connector"), [...begin, ...exchange, "send request"]), ProtocolError);
  assert.throws(() => play(startOf("connector"), ["send hello", "send client-identity", "send request"]), ProtocolError);
});

test("a service answers each request, and hears NEXT or END in between", () => {
  const begin: Move[] = ["receive hello", "receive client-identity", "send server-identity", "receive request"];
  assert.equal(
    play(startOf("listener"), [...begin, "send response", "receive NEXT", "send PROCEED", "receive request"]),
    "service: must respond",
  );
  assert.equal(play(startOf("listener"), [...begin, "send response", "receive END"]), "ended");
  assert.throws(() => play(startOf("listener"), [...begin, "receive request"]), ProtocolError);
  assert.throws(() => play(startOf("listener"), [...begin, "send response", "send PROCEED"]), ProtocolError);
});

test("a subscriber is given requests or nothing, and asks on after each", () => {
  const begin: Move[] = ["send hello", "send subscriber-identity", "receive server-identity"];
  const again: Move[] = ["send NEXT", "receive PROCEED"];
  const moves: Move[] = [
    ...begin,
    "receive nothing",
    ...again,
    "receive request",
    "send response",
    ...again,
    "receive nothing",
    "send END",
  ];
  assert.equal(play(startOf("connector"), moves), "ended");
  assert.throws(() => play(startOf("connector"), [...begin, "receive nothing", "send response"]), ProtocolError);
});

test("a dispatcher may say PROCEED before it has heard NEXT, but sends the next request only after it", () => {
  const begin: Move[] = ["receive hello", "receive subscriber-identity", "send server-identity", "send request", "receive response"];
  const early = play(startOf("listener"), [...begin, "send PROCEED"]);
  assert.throws(() => advance(early, "send request"), ProtocolError);
  assert.equal(play(early, ["receive NEXT", "send request"]), "dispatcher: awaiting response");
  assert.equal(advance(early, "receive END"), "ended");
  assert.equal(
    play(startOf("listener"), [...begin, "receive NEXT", "send PROCEED", "send nothing", "receive NEXT"]),
    "dispatcher: must proceed",
  );
});
