// Answers bytes that never became a request: too large headers, garbage, half a request. No route and no hook sees them.

import type { Duplex } from "node:stream";
import { errorBody } from "./problem-answer.ts";

/** Keys, cookies and a long address fit several times. */
export const headerBytesMax = 16 * 1024;

/** What node's parser refuses never becomes a request; it still gets the API's error body. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex, nodeName: string): void {
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
  const [status, reason, message] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? [431, "Request Header Fields Too Large", `The headers are larger than the limit of ${headerBytesMax} bytes.`]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "Request Timeout", "The request did not arrive completely in time."]
        : [400, "Bad Request", "This is not a valid HTTP request."];
  const body = JSON.stringify(errorBody(status as number, message as string, [message as string]));
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Octopus-Node: ${nodeName}\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n${body}`,
  );
}
