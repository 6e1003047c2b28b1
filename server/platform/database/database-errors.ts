// What can go wrong between us and PostgreSQL, told apart: our statement was wrong, the server went away, or nobody knows.

/** The database cannot be reached, is starting, is read-only or out of connections. Nothing of the transaction took effect. */
export class DatabaseUnavailable extends Error {
  constructor(why: string, cause: unknown) {
    super(`The database is not available: ${why}`, { cause });
    this.name = "DatabaseUnavailable";
  }
}

/** The connection was lost while committing: the transaction may or may not have taken effect. Read back, then decide. */
export class CommitOutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super("The connection to the database was lost at commit; whether the change took effect is not known yet.", { cause });
    this.name = "CommitOutcomeUnknown";
  }
}

const unavailable = new Set(["53300", "53400", "57P01", "57P02", "57P03", "25006", "08000", "08003", "08006", "08001", "08004", "28000"]);
/** We slept in the middle of a transaction, and the server ended it with its connection. */
const sleptThrough = new Set(["25P03", "25P04"]);

export function errorCode(error: unknown): string | undefined {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** The name of the constraint or index that a statement violated, when that is what the error says. */
export function violatedConstraint(error: unknown): { kind: "unique" | "foreign-key" | "check"; constraint: string } | undefined {
  const code = errorCode(error);
  const constraint = typeof error === "object" && error !== null && "constraint" in error ? String(error.constraint) : "";
  if (code === "23505") return { kind: "unique", constraint };
  if (code === "23503") return { kind: "foreign-key", constraint };
  if (code === "23514") return { kind: "check", constraint };
  return undefined;
}

/** True when the statement did not fail by its own fault but because the connection or the server went away. */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable || error instanceof CommitOutcomeUnknown) return true;
  const code = errorCode(error);
  if (code !== undefined && (unavailable.has(code) || sleptThrough.has(code) || code.startsWith("08") || code.startsWith("57P0")))
    return true;
  if (
    code !== undefined &&
    ["ECONNREFUSED", "ECONNRESET", "ENOENT", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "EAI_AGAIN", "ENOTFOUND"].includes(code)
  )
    return true;
  const message = error instanceof Error ? error.message : "";
  return /Connection terminated|Query read timeout|timeout exceeded when trying to connect|Client has encountered a connection error|not queryable|server closed the connection/i.test(
    message,
  );
}

/** One line of text that says why, fit for an error message; holds no statement and no value. */
export function describe(error: unknown): string {
  const text = error instanceof Error ? error.message || errorCode(error) : String(error);
  return text ? text.replace(/\s+/g, " ").slice(0, 300) : "no reason given";
}
