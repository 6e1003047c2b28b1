/** One request and its response over a connection on which a request is due, and the error that the caller of a method gets to see. Used by callers and dispatchers. */
import { AttemptFailed } from "./connector.ts";
import type { Connection } from "./connection.ts";
import type { SpoolPlace } from "./data-streams.ts";
import { ConnectionError, HalibutCallError, ProtocolError, messageOf } from "./errors.ts";
import { cutOn } from "./giving-up.ts";
import type { GivingUp } from "./giving-up.ts";
import { callErrorFrom, decodeResponse, decodeResult } from "./messages.ts";
import type { OutgoingMessage } from "./messages.ts";
import type { Shape } from "./shapes.ts";
import type { DecodeContext } from "./values.ts";

export interface Call {
  request: OutgoingMessage & { id: string };
  resultShape: Shape;
  /** Service, method and peer, for errors. */
  what: string;
  timeoutMs: number;
  givingUp: GivingUp;
  /** Whether the first byte of the request has left. */
  sent: boolean;
}

/** What the peer answered. Either way the connection is ready for its next word. */
export type Outcome = { ok: true; result: unknown } | { ok: false; error: HalibutCallError };

/** Sends the request and reads the response with its streams. If it throws, the connection has been destroyed. */
export async function exchange(connection: Connection, call: Call, place: SpoolPlace): Promise<Outcome> {
  const unwatch = cutOn(connection, call.givingUp.signal);
  const context: DecodeContext = { incoming: [], knownTypes: new Set(), streamsPerMessageMax: place.limits.streamsPerMessageMax };
  try {
    await connection.sendMessage("request", call.request, () => (call.sent = true));
    const response = await connection.readMessage(call.timeoutMs, (envelope) => {
      const value = decodeResponse(envelope);
      if (value.id !== null && value.id !== call.request.id) throw new ProtocolError("The response belongs to another request.");
      return { move: "response", value };
    });
    const result = response.error === null ? decodeResult(call.resultShape, response, context, call.what) : null;
    await connection.readStreams(context.incoming, place);
    return response.error === null ? { ok: true, result } : { ok: false, error: callErrorFrom(response.error, call.what) };
  } catch (error) {
    for (const stream of context.incoming) await stream.dispose();
    connection.destroy(new ConnectionError("failed", messageOf(error)));
    throw error;
  } finally {
    unwatch();
  }
}

/** The caller's error: that the call was given up comes first, then what the wire said. A TypeError is the caller's own and stays. */
export function callError(call: Call, error: unknown): HalibutCallError | TypeError {
  if (error instanceof TypeError) return error;
  const more = { requestMayHaveArrived: call.sent, cause: error };
  const message = messageOf(error);
  if (call.givingUp.reason === "timed-out")
    return new HalibutCallError("timed-out", `${call.what} had no answer within ${call.timeoutMs} ms. ${message}`, more);
  if (call.givingUp.reason === "cancelled") return new HalibutCallError("cancelled", `${call.what} was cancelled.`, more);
  const kind = error instanceof AttemptFailed ? error.kind : error instanceof ProtocolError ? "protocol" : "connection-lost";
  return new HalibutCallError(kind, `${call.what}: ${message}`, more);
}
