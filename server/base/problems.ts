// The one table of things a caller can do wrong; the HTTP edge turns a Problem into a status and the API's error body.

/** A mistake of the caller. `status` is the HTTP status, `errors` one sentence per single fault (never empty). */
export class Problem extends Error {
  readonly status: number;
  readonly errors: readonly string[];
  /** Seconds after which trying again makes sense; only on 429 and 503. */
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, message: string, errors?: readonly string[], options?: { retryAfterSeconds?: number; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Problem";
    this.status = status;
    this.errors = errors && errors.length > 0 ? errors : [message];
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }
}

export const problem = {
  /** 400: the request cannot be carried out as it stands; one entry per fault. */
  invalid: (errors: readonly string[] | string): Problem =>
    typeof errors === "string" ? new Problem(400, errors) : new Problem(400, "There was a problem with your request.", errors),
  /** 401: no credential, or one that is not (or no longer) valid. */
  notSignedIn: (): Problem =>
    new Problem(401, "You must be signed in. Send a valid API key in the X-Octopus-ApiKey header, or a bearer token."),
  /** 401: a key or token was sent, but it is none of an active user, or no longer. */
  credentialNotValid: (kind: "API key" | "bearer token"): Problem =>
    new Problem(
      401,
      kind === "API key"
        ? "The API key that was sent is not valid. Please check it and try again, or have a new one made."
        : "The bearer token that was sent is not valid. This server issues none itself yet; it accepts an API key as one.",
    ),
  /** 403: signed in, but the permission is missing. */
  notAllowed: (permission: string): Problem =>
    new Problem(403, `You do not have permission to perform this action. Missing permission: ${permission}`),
  /** 404: also the answer for what exists in a space the caller cannot see. */
  notFound: (kind: string, id: string): Problem =>
    new Problem(404, `The ${kind} '${printable(id)}' does not exist or you do not have permission to see it.`),
  methodNotAllowed: (method: string, path: string): Problem => new Problem(405, `${method} is not allowed on ${printable(path)}.`),
  /** 409: somebody else changed it first. */
  stale: (kind: string): Problem =>
    new Problem(409, `The ${kind} was changed by somebody else since you read it. Read it again, repeat your change and save.`),
  /** 429: too often; the same may be tried again after the given time. */
  tooMany: (why: string, retryAfterSeconds: number): Problem => new Problem(429, why, undefined, { retryAfterSeconds }),
  tooLarge: (what: string, limit: number, unit: string): Problem =>
    new Problem(413, `${what} is larger than the limit of ${limit} ${unit}.`),
  unsupportedMediaType: (type: string): Problem =>
    new Problem(415, `Content type '${printable(type)}' is not accepted here. Send application/json.`),
  unsupportedEncoding: (encoding: string): Problem =>
    new Problem(415, `A JSON body in '${printable(encoding)}' is not accepted here. Send UTF-8, uncompressed.`),
  /** 503: the node or what it stands on is not available now; nothing of the request took effect. */
  unavailable: (why: string, retryAfterSeconds = 2, cause?: unknown): Problem =>
    new Problem(503, why, undefined, { retryAfterSeconds, cause }),
  /** 507: the shared folder or disk is full. */
  storageFull: (what: string): Problem => new Problem(507, `There is no space left to store ${what}. Free disk space and try again.`),
};

/** Text of a caller that is safe in a one-line message: control characters gone, at most 200 characters. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must go
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, " ");
  return clean.length > 200 ? `${clean.slice(0, 200)}…` : clean;
}
