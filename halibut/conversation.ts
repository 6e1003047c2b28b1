/**
 * Who speaks next on a connection, as a table: pure, without sockets, bytes or time. It covers all four parts that a side can play:
 * the caller and the service of a listening connection, the subscriber (a polling service) and the dispatcher that feeds it.
 *
 *   caller       hello, identity > ; < server ; ( request > ; < response ; NEXT > ; < PROCEED ) … END >
 *   service      the mirror image
 *   subscriber   hello, identity > ; < server ; ( < request ; response >  or  < nothing ; NEXT > ; < PROCEED ) … END >
 *   dispatcher   the mirror image; it may say PROCEED as soon as the response is complete, but sends the next request only after NEXT
 */
import { ProtocolError } from "./errors.ts";

/** `nothing` is the null message, the heartbeat of polling. */
export type Utterance =
  | "hello"
  | "client-identity"
  | "subscriber-identity"
  | "server-identity"
  | "request"
  | "nothing"
  | "response"
  | "NEXT"
  | "PROCEED"
  | "END";

export type Role = "caller" | "service" | "subscriber" | "dispatcher";
export type Move = `${"send" | "receive"} ${Utterance}`;

type Table = Readonly<Record<string, Readonly<Partial<Record<Move, string>>>>>;

const table = {
  // the side that connects
  "connector: fresh": { "send hello": "connector: greeted" },
  "connector: greeted": { "send client-identity": "caller: introduced", "send subscriber-identity": "subscriber: introduced" },
  // the side that listens, until it knows with whom it speaks
  "listener: fresh": { "receive hello": "listener: greeted" },
  "listener: greeted": { "receive client-identity": "service: introducing", "receive subscriber-identity": "dispatcher: introducing" },

  "caller: introduced": { "receive server-identity": "caller: may request" },
  "caller: may request": { "send request": "caller: awaiting response", "send END": "ended" },
  "caller: awaiting response": { "receive response": "caller: idle" },
  "caller: idle": { "send NEXT": "caller: awaiting proceed", "send END": "ended" },
  "caller: awaiting proceed": { "receive PROCEED": "caller: may request" },

  "service: introducing": { "send server-identity": "service: awaiting request" },
  "service: awaiting request": { "receive request": "service: must respond", "receive nothing": "ended" },
  "service: must respond": { "send response": "service: awaiting next" },
  "service: awaiting next": { "receive NEXT": "service: must proceed", "receive END": "ended" },
  "service: must proceed": { "send PROCEED": "service: awaiting request" },

  "subscriber: introduced": { "receive server-identity": "subscriber: awaiting request" },
  "subscriber: awaiting request": {
    "receive request": "subscriber: must respond",
    "receive nothing": "subscriber: idle",
    "send END": "ended",
  },
  "subscriber: must respond": { "send response": "subscriber: idle" },
  "subscriber: idle": { "send NEXT": "subscriber: awaiting proceed", "send END": "ended" },
  "subscriber: awaiting proceed": { "receive PROCEED": "subscriber: awaiting request", "send END": "ended" },

  "dispatcher: introducing": { "send server-identity": "dispatcher: may request" },
  "dispatcher: may request": {
    "send request": "dispatcher: awaiting response",
    "send nothing": "dispatcher: awaiting next",
    "receive END": "ended",
  },
  "dispatcher: awaiting response": { "receive response": "dispatcher: answered" },
  "dispatcher: answered": {
    "send PROCEED": "dispatcher: proceeded early",
    "receive NEXT": "dispatcher: must proceed",
    "receive END": "ended",
  },
  "dispatcher: proceeded early": { "receive NEXT": "dispatcher: may request", "receive END": "ended" },
  "dispatcher: awaiting next": { "receive NEXT": "dispatcher: must proceed", "receive END": "ended" },
  "dispatcher: must proceed": { "send PROCEED": "dispatcher: may request" },

  ended: {},
} as const satisfies Table;

export type ConversationState = keyof typeof table;

/** Where a conversation begins: for the side that opened the connection, or the one that was listening. */
export function startOf(side: "connector" | "listener"): ConversationState {
  return side === "connector" ? "connector: fresh" : "listener: fresh";
}

/** The moves that are allowed in a state. */
export function movesIn(state: ConversationState): Move[] {
  return Object.keys(table[state]) as Move[];
}

/** The state after a move; a move out of turn is a ProtocolError. */
export function advance(state: ConversationState, move: Move): ConversationState {
  const next = (table[state] as Partial<Record<Move, ConversationState>>)[move];
  if (next !== undefined) return next;
  throw new ProtocolError(
    `Out of turn: "${move}" in the state "${state}", where only ${movesIn(state).join(" or ") || "nothing"} may follow.`,
  );
}

/** Every state, for tests and pictures. */
export function allStates(): ConversationState[] {
  return Object.keys(table) as ConversationState[];
}
