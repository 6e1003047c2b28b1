// Calls and their outcomes as they lie in a request row: JSON led by the contract's shapes, encrypted under the master key and bound to
// their row. Streams lie beside it in the shared folder (stream-files.ts); here they are the references to them.

import type { HalibutCallFailure, ServiceContract, Shape } from "@cuttle/halibut";
import { HalibutCallError } from "@cuttle/halibut";
import type { SecretContext, Secrets } from "../../platform/secrets/secrets.ts";
import type { StreamFiles, StreamReference } from "./stream-files.ts";

/** Goes up when older nodes could not read what is written. Version 2 may hold references to streams; what has none is written as 1. */
export const requestFormatVersion = 2;
/** Scripts with their variables have some hundred kB; what is more than this is a mistake, and would fill the database. */
export const requestBytesMax = 16 * 1024 * 1024;
/** As much as an agent's answer can have on the wire. */
export const responseBytesMax = 64 * 1024 * 1024;
/** Of base64 text that are encrypted as one value. */
const pieceCharacters = 192 * 1024;

/** A request or answer is larger than what is stored of one. */
export class TooLargeToRoute extends Error {
  constructor(what: string, bytes: number, max: number) {
    super(`${what} has ${bytes} bytes; between nodes ${max} is the limit.`);
    this.name = "TooLargeToRoute";
  }
}

export type CallOutcome =
  | { ok: true; result: unknown }
  | { ok: false; kind: HalibutCallFailure; message: string; requestMayHaveArrived: boolean; details: string | null };

export interface RequestText {
  /** Streams in the values are references already. Throws TooLargeToRoute. */
  sealRequest(id: string, contract: ServiceContract, method: string, params: readonly unknown[]): Buffer;
  openRequest(id: string, contract: ServiceContract, method: string, stored: Buffer): unknown[];
  sealOutcome(id: string, contract: ServiceContract, method: string, outcome: CallOutcome): Buffer;
  openOutcome(id: string, contract: ServiceContract, method: string, stored: Buffer): CallOutcome;
}

export function createRequestText(secrets: Secrets, streams: Pick<StreamFiles, "open">): RequestText {
  function seal(column: string, id: string, value: unknown, what: string, bytesMax: number): Buffer {
    const bytes = Buffer.from(JSON.stringify(value), "utf8");
    if (bytes.length > bytesMax) throw new TooLargeToRoute(what, bytes.length, bytesMax);
    const text = bytes.toString("base64");
    const count = Math.max(1, Math.ceil(text.length / pieceCharacters));
    const parts: Buffer[] = [];
    for (let n = 0; n < count; n++) {
      const piece = secrets.encrypt(text.slice(n * pieceCharacters, (n + 1) * pieceCharacters), place(column, id, n, count));
      const head = Buffer.alloc(4);
      head.writeUInt32BE(piece.length);
      parts.push(head, piece);
    }
    return Buffer.concat(parts);
  }

  function unseal(column: string, id: string, stored: Buffer): unknown {
    const pieces: Buffer[] = [];
    for (let at = 0; at < stored.length;) {
      const length = stored.readUInt32BE(at);
      pieces.push(stored.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    const text = pieces.map((piece, n) => secrets.decrypt(piece, place(column, id, n, pieces.length))).join("");
    return JSON.parse(Buffer.from(text, "base64").toString("utf8")) as unknown;
  }

  return {
    sealRequest(id, contract, method, params) {
      const what = `The call ${contract.name}.${method}`;
      const { params: shapes } = contract.methods[method]!;
      return seal(
        "request",
        id,
        shapes.map((shape, n) => toJson(shape, params[n])),
        what,
        requestBytesMax,
      );
    },
    openRequest(id, contract, method, stored) {
      const values = unseal("request", id, stored) as unknown[];
      return contract.methods[method]!.params.map((shape, n) => fromJson(shape, values[n], (reference) => streams.open(id, reference)));
    },
    sealOutcome(id, contract, method, outcome) {
      const what = `The answer to ${contract.name}.${method}`;
      const value = outcome.ok ? { ok: true, result: toJson(contract.methods[method]!.result, outcome.result) } : outcome;
      return seal("response", id, value, what, responseBytesMax);
    },
    openOutcome(id, contract, method, stored) {
      const value = unseal("response", id, stored) as CallOutcome;
      if (!value.ok) return value;
      const { result } = contract.methods[method]!;
      return { ok: true, result: fromJson(result, value.result, (reference) => streams.open(id, reference)) };
    },
  };
}

function place(column: string, id: string, n: number, count: number): SecretContext {
  return { table: "agent_requests", column, row: `${id} ${n + 1}/${count}`, space: null };
}

export function outcomeOfError(error: unknown): CallOutcome {
  if (error instanceof HalibutCallError) {
    const { kind, message, requestMayHaveArrived, details } = error;
    return { ok: false, kind, message, requestMayHaveArrived, details };
  }
  const message = error instanceof Error ? error.message : "The call failed for an unknown reason.";
  return { ok: false, kind: "protocol", message, requestMayHaveArrived: true, details: null };
}

function toJson(shape: Shape, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  switch (shape.kind) {
    case "void":
      return null;
    case "date":
      return (value as Date).toISOString();
    case "bytes":
      return Buffer.from(value as Uint8Array).toString("base64");
    case "double":
      return Number.isFinite(value) ? value : String(value as number);
    case "list":
      return (value as unknown[]).map((item) => toJson(shape.of, item));
    case "dictionary":
      // As pairs: a key may have any name.
      return Object.entries(value).map(([key, item]) => [key, toJson(shape.of, item)]);
    case "object": {
      const members = value as Record<string, unknown>;
      return Object.fromEntries(Object.entries(shape.members).map(([name, member]) => [name, toJson(member, members[name])]));
    }
    default:
      return value;
  }
}

function fromJson(shape: Shape, value: unknown, open: (reference: StreamReference) => unknown): unknown {
  if (value === null || value === undefined) return null;
  switch (shape.kind) {
    case "stream":
      return open(value as StreamReference);
    case "date":
      return new Date(value as string);
    case "bytes":
      return new Uint8Array(Buffer.from(value as string, "base64"));
    case "double":
      return Number(value);
    case "list":
      return (value as unknown[]).map((item) => fromJson(shape.of, item, open));
    case "dictionary":
      return Object.fromEntries((value as [string, unknown][]).map(([key, item]) => [key, fromJson(shape.of, item, open)]));
    case "object": {
      const members = value as Record<string, unknown>;
      return Object.fromEntries(Object.entries(shape.members).map(([name, member]) => [name, fromJson(member, members[name], open)]));
    }
    default:
      return value;
  }
}
