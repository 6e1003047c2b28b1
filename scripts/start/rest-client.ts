// The REST API as `npm start` uses it: one key, JSON in and out, a deadline for every request. It knows addresses, not resources.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";

/** The server answered, with an error. */
export class RestError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The server did not answer: it is down, restarting, or slow past the deadline. */
export class Unreachable extends Error {}

export interface RestClient {
  get<T>(path: string): Promise<T>;
  /** POST, PUT. A body is always sent. */
  send<T>(method: "POST" | "PUT", path: string, body: unknown): Promise<T>;
  /** POST of one file as a form. `onSent` hears how many of its bytes have gone out. */
  upload(path: string, fileName: string, content: Uint8Array, onSent?: (bytes: number) => void): Promise<void>;
  /** The status of a GET, with no opinion about it; null when nobody answers. */
  probe(path: string): Promise<number | null>;
}

const requestMsMax = 10_000;
/** Bytes of an upload between two reports. */
const sentAtOnce = 64 * 1024;

/** `address` is asked at each request, since another node may answer from now on. */
export function createRestClient(address: () => string, apiKey: string): RestClient {
  async function request(method: string, path: string, body?: unknown): Promise<Response> {
    const base = address();
    const headers: { [name: string]: string } = { "X-Octopus-ApiKey": apiKey, Accept: "application/json" };
    const parts: RequestInit = { method, headers, signal: AbortSignal.timeout(requestMsMax) };
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
      parts.body = JSON.stringify(body);
    }
    try {
      return await fetch(`${base}${path}`, parts);
    } catch (error) {
      throw new Unreachable(`${base} does not answer`, { cause: error });
    }
  }

  async function answerOf<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await request(method, path, body);
    let text: string;
    try {
      text = await response.text();
    } catch (error) {
      throw new Unreachable(`${address()} stopped answering`, { cause: error });
    }
    if (!response.ok) throw new RestError(response.status, `${method} ${path}: ${response.status} ${errorText(text)}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  return {
    get: (path) => answerOf("GET", path),
    send: (method, path, body) => answerOf(method, path, body),
    async upload(path, fileName, content, onSent = () => {}) {
      const boundary = `cuttle-${randomUUID()}`;
      const head = Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${fileName}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
      );
      const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
      const base = address();
      try {
        const sending = httpRequest(`${base}${path}`, {
          method: "POST",
          headers: {
            "X-Octopus-ApiKey": apiKey,
            Accept: "application/json",
            "Content-Type": `multipart/form-data; boundary=${boundary}`,
            "Content-Length": head.length + content.length + tail.length,
          },
          // While bytes go out it may take as long as it takes.
          timeout: requestMsMax,
        });
        sending.on("timeout", () => sending.destroy(new Error(`${base} takes no more bytes`)));
        const answered = once(sending, "response") as Promise<[IncomingMessage]>;
        // It is awaited below; a connection that breaks before that is told there.
        answered.catch(() => {});
        await Promise.race([pipeline(inPieces(head, content, tail, onSent), sending), answered]);
        const [response] = await answered;
        const text = Buffer.concat(await response.toArray()).toString("utf8");
        const status = response.statusCode ?? 0;
        if (status < 200 || status > 299) throw new RestError(status, `POST ${path}: ${status} ${errorText(text)}`);
      } catch (error) {
        if (error instanceof RestError) throw error;
        throw new Unreachable(`${base} stopped taking ${fileName}`, { cause: error });
      }
    },
    async probe(path) {
      try {
        const response = await request("GET", path);
        await response.arrayBuffer();
        return response.status;
      } catch {
        return null;
      }
    },
  };
}

function* inPieces(head: Buffer, content: Uint8Array, tail: Buffer, onSent: (bytes: number) => void): Generator<Uint8Array> {
  yield head;
  for (let at = 0; at < content.length; at += sentAtOnce) {
    yield content.subarray(at, at + sentAtOnce);
    // The next piece is asked for when this one is on its way.
    onSent(Math.min(content.length, at + sentAtOnce));
  }
  yield tail;
}

/** `ErrorMessage` and `Errors` of the error body, or its text. */
function errorText(text: string): string {
  try {
    const body = JSON.parse(text) as { ErrorMessage?: string; Errors?: string[] };
    return [body.ErrorMessage, ...(body.Errors ?? [])].filter((part) => part !== undefined && part !== "").join(" ");
  } catch {
    return text.slice(0, 500);
  }
}
