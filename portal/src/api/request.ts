// Every request of the portal goes through here: the address below /api, the session's second secret on changes, refusals as errors with
// the server's sentences. A session that has run out asks for a new sign-in, and then the same request goes on.

import { renewSession } from "./session-renewal.ts";
import { server } from "./server.ts";

/** A server that says nothing for so long is taken for lost; uploads and streams set limits of their own. */
const answerMsMax = 60_000;

/** The server refused, or could not be reached (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  /** At least one sentence. */
  readonly errors: readonly string[];
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, errors: readonly string[], retryAfterSeconds?: number) {
    super(errors.join(" "));
    this.name = "ApiError";
    this.status = status;
    this.errors = errors;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** Whether asking again later may help. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** Whether the server may have done what it was asked although this came back: no answer, or one of something in between. */
export function isUnknown(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status >= 500);
}

/** An address below /api with its parts encoded: path`/tasks/${id}/raw`. */
export function path(texts: TemplateStringsArray, ...values: (string | number)[]): string {
  return texts.reduce((sum, text, index) => sum + encodeURIComponent(String(values[index - 1])) + text);
}

/** Adds what is not undefined as a query; lists become repeated names. */
export function withQuery(
  address: string,
  query: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>,
): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) parts.append(name, String(one));
  }
  const text = parts.toString();
  return text === "" ? address : `${address}?${text}`;
}

/** Where an address of the API really is, for links and streams. */
export function apiAddress(address: string): string {
  return `${server.base}/api${address}`;
}

interface Sent {
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

interface Wanted extends Sent {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** The sign-in itself must not wait for a sign-in. */
  isSignIn?: boolean;
}

/** A document of the API. @throws ApiError */
export async function request<T>(address: string, wanted: Wanted): Promise<T> {
  for (;;) {
    const { response, text } = await send(address, wanted);
    if (response.status === 401 && wanted.isSignIn !== true && (await renewSession())) continue;
    if (!response.ok) throw refusalIn(response, text);
    return (text === "" ? undefined : response.headers.get("content-type")?.includes("json") === true ? parsed(text) : text) as T;
  }
}

/** Override the direction of all text behind them. */
const turning = /[\u202a-\u202e\u2066-\u2069]/g;
const mayTurn = /[\u202a-\u202e\u2066-\u2069]|\\u20[26]/;
const isName = /(?:Name|^Title|^Description|^Message)$/;

/** Names come without characters that would turn the page around them; nobody sees these, and nobody types them by intent. */
function parsed(text: string): unknown {
  if (!mayTurn.test(text)) return JSON.parse(text);
  return JSON.parse(text, (key, value: unknown) => (typeof value === "string" && isName.test(key) ? value.replace(turning, "") : value));
}

/** The whole answer: one that is cut in the middle is lost like one that never came. */
async function send(address: string, wanted: Wanted): Promise<{ response: Response; text: string }> {
  const headers: Record<string, string> = { Accept: "application/json", ...wanted.headers };
  const isFile = wanted.body instanceof Blob || wanted.body instanceof FormData;
  if (wanted.body !== undefined && !isFile) headers["Content-Type"] = "application/json";
  if (wanted.method !== "GET") headers["X-Octopus-Csrf-Token"] = csrfToken();
  const late = AbortSignal.timeout(answerMsMax);
  try {
    const response = await fetch(apiAddress(address), {
      method: wanted.method,
      headers,
      credentials: "same-origin",
      signal: wanted.signal === undefined ? late : AbortSignal.any([wanted.signal, late]),
      ...(wanted.body === undefined ? {} : { body: isFile ? (wanted.body as BodyInit) : JSON.stringify(wanted.body) }),
    });
    return { response, text: await response.text() };
  } catch (error) {
    if (wanted.signal?.aborted === true) throw error;
    throw new ApiError(0, [
      late.aborted
        ? `The server has not answered for ${answerMsMax / 1000} seconds.`
        : "The server cannot be reached. It may be restarting, or the network is gone.",
    ]);
  }
}

/** What a response that is no success says. */
export async function refusalOf(response: Response): Promise<ApiError> {
  return refusalIn(response, await response.text().catch(() => ""));
}

function refusalIn(response: Response, text: string): ApiError {
  return readRefusal({
    status: response.status,
    statusText: response.statusText,
    text,
    retryAfter: Number(response.headers.get("retry-after") ?? ""),
  });
}

export function readRefusal(answer: { status: number; statusText: string; text: string; retryAfter: number }): ApiError {
  let errors: string[] = [];
  try {
    const body = JSON.parse(answer.text) as { Errors?: unknown; ErrorMessage?: unknown };
    const listed = Array.isArray(body.Errors) ? body.Errors.filter((one): one is string => typeof one === "string") : [];
    errors = listed.length > 0 ? listed : typeof body.ErrorMessage === "string" ? [body.ErrorMessage] : [];
  } catch {
    // A proxy in between answers in its own language.
  }
  if (errors.length === 0)
    errors = [`The server answered with ${answer.status}${answer.statusText === "" ? "" : ` ${answer.statusText}`}.`];
  return new ApiError(answer.status, errors, answer.retryAfter > 0 ? answer.retryAfter : undefined);
}

/** The second secret of this installation's session, which only a page of this origin can read. */
export function csrfToken(): string {
  const prefix = `Octopus-Csrf-Token_${server.installationId}=`;
  const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(prefix));
  return found === undefined ? "" : found.slice(prefix.length);
}

export const api = {
  get: <T>(address: string, sent: Omit<Sent, "body"> = {}) => request<T>(address, { method: "GET", ...sent }),
  post: <T>(address: string, body?: unknown, sent: Omit<Sent, "body"> = {}) =>
    request<T>(address, { method: "POST", body: body ?? {}, ...sent }),
  put: <T>(address: string, body?: unknown, sent: Omit<Sent, "body"> = {}) =>
    request<T>(address, { method: "PUT", body: body ?? {}, ...sent }),
  delete: <T>(address: string, sent: Omit<Sent, "body"> = {}) => request<T>(address, { method: "DELETE", ...sent }),
};
