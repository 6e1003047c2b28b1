/** The errors of the wire. `HalibutCallError` is what a caller sees; the other two travel inside and name why a connection had to die. */

export type HalibutCallFailure =
  | "unreachable"
  | "untrusted"
  | "cancelled"
  | "timed-out"
  | "connection-lost"
  | "protocol"
  | "service-not-found"
  | "method-not-found"
  | "service-failed";

/**
 * A call that has no result. `requestMayHaveArrived` is false only when not one byte of the request was written,
 * so that the same call can safely be made again; `details` is the other side's own text when it sent one.
 */
export class HalibutCallError extends Error {
  readonly kind: HalibutCallFailure;
  readonly requestMayHaveArrived: boolean;
  readonly details: string | null;

  constructor(
    kind: HalibutCallFailure,
    message: string,
    more: { requestMayHaveArrived: boolean; details?: string | null; cause?: unknown } = { requestMayHaveArrived: false },
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "HalibutCallError";
    this.kind = kind;
    this.requestMayHaveArrived = more.requestMayHaveArrived;
    this.details = more.details ?? null;
  }
}

/** The peer broke the rules of the conversation (bad bytes, a limit exceeded, a type that is not allowed). The connection is closed without an answer. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** The connection ended or stalled before the conversation was over. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly reason: "ended" | "failed" | "too-slow" | "cancelled";

  constructor(reason: "ended" | "failed" | "too-slow" | "cancelled", message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}

/** An argument that does not fit the method's parameter. Answered with an error response; the connection lives on. */
export class ArgumentMismatch extends Error {
  override readonly name = "ArgumentMismatch";
}

/** What an unknown thrown value says, for logs and error responses. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
