// The server's own log: one JSON object a line on standard error. Task logs do not come here.

import { pino } from "pino";
import type { Logger } from "pino";

export type ServerLog = Logger;

/** Levels as in pino; `silent` says nothing. Secrets never go in: what may hold one is named in `redact` as a second net. */
export function createServerLog(parts: { level: string; nodeName: string }): ServerLog {
  return pino(
    { level: parts.level, base: { node: parts.nodeName }, redact: ["*.password", "*.apiKey", "*.masterKey", "err.connection"] },
    pino.destination({ dest: 2, sync: false }),
  );
}
