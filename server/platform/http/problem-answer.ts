// Every error leaves the server in one shape with the right status, and never with more than the caller may know.

import { Problem, problem } from "../../base/problems.ts";
import { CommitOutcomeUnknown, DatabaseUnavailable, isConnectionLoss } from "../database/database.ts";

/** Clients decode exactly these members; Errors holds at least one sentence, but is null at 404: only without it does the Go client,
 * and what stands on it, tell "not there" from any other refusal. */
export interface ErrorBody {
  ErrorMessage: string;
  Errors: readonly string[] | null;
  FullException: null;
  HelpText: string;
  HelpLink: null;
  ParsedHelpLinks: never[];
  Details: object;
}

export function errorBody(status: number, message: string, errors: readonly string[]): ErrorBody {
  const Errors = status === 404 ? null : errors;
  return { ErrorMessage: message, Errors, FullException: null, HelpText: "", HelpLink: null, ParsedHelpLinks: [], Details: {} };
}

/** The problem an error means for the caller; undefined when it is a fault of ours that only the log may describe. */
export function problemOf(error: unknown, limits: { bodyBytesMax: number }): Problem | undefined {
  if (error instanceof Problem) return error;
  if (error instanceof CommitOutcomeUnknown) {
    return problem.unavailable(
      "The connection to the database was lost while the change was being stored, so it is not known whether it took effect. " +
        "Read back before you repeat it, or repeat it with the same Idempotency-Key.",
      2,
      error,
    );
  }
  if (error instanceof DatabaseUnavailable || isConnectionLoss(error)) {
    return problem.unavailable("The database is not available at the moment. Nothing was changed; try again.", 2, error);
  }
  const code = typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return problem.tooLarge("The request body", limits.bodyBytesMax, "bytes");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return problem.unsupportedMediaType(
        error instanceof Error ? (/Unsupported Media Type: (.*)$/.exec(error.message)?.[1] ?? "none") : "none",
      );
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return problem.invalid("The request body is not as long as its Content-Length says.");
    case "FST_ERR_BAD_URL":
    case "ERR_INVALID_URL":
      return problem.invalid("The address of the request is not a valid URL.");
    case "FST_ERR_MAX_PARAM_LENGTH":
      return new Problem(404, "The address has a part that is too long to be an id or name, so nothing is there.");
    default:
      return undefined;
  }
}
