// The REST API as `npm start` uses it: one key, JSON in and out, a deadline for every request. It knows addresses, not resources.

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
  /** POST of one file as a form. */
  upload(path: string, fileName: string, content: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The status of a GET, with no opinion about it; null when nobody answers. */
  probe(path: string): Promise<number | null>;
}

const requestMsMax = 10_000;

/** `address` is asked at each request, since another node may answer from now on. */
export function createRestClient(address: () => string, apiKey: string): RestClient {
  async function request(method: string, path: string, body?: unknown): Promise<Response> {
    const base = address();
    const headers: { [name: string]: string } = { "X-Octopus-ApiKey": apiKey, Accept: "application/json" };
    const parts: RequestInit = { method, headers, signal: AbortSignal.timeout(requestMsMax) };
    if (body instanceof FormData) parts.body = body;
    else if (body !== undefined) {
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
    async upload(path, fileName, content) {
      const form = new FormData();
      form.append("file", new Blob([content]), fileName);
      await answerOf("POST", path, form);
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

/** `ErrorMessage` and `Errors` of the error body, or its text. */
function errorText(text: string): string {
  try {
    const body = JSON.parse(text) as { ErrorMessage?: string; Errors?: string[] };
    return [body.ErrorMessage, ...(body.Errors ?? [])].filter((part) => part !== undefined && part !== "").join(" ");
  } catch {
    return text.slice(0, 500);
  }
}
