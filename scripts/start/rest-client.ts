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
  get<T>(address: string): Promise<T>;
  /** POST, PUT. A body is always sent. */
  send<T>(method: "POST" | "PUT", address: string, body: unknown): Promise<T>;
  /** POST of one file as a form. */
  upload(address: string, fileName: string, content: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The status of a GET, with no opinion about it; null when nobody answers. */
  probe(address: string): Promise<number | null>;
}

const requestMsMax = 10_000;

export function createRestClient(base: string, apiKey: string): RestClient {
  async function request(method: string, address: string, body?: unknown): Promise<Response> {
    const headers: { [name: string]: string } = { "X-Octopus-ApiKey": apiKey, Accept: "application/json" };
    const parts: RequestInit = { method, headers, signal: AbortSignal.timeout(requestMsMax) };
    if (body instanceof FormData) parts.body = body;
    else if (body !== undefined) {
      headers["Content-Type"] = "application/json";
      parts.body = JSON.stringify(body);
    }
    try {
      return await fetch(`${base}${address}`, parts);
    } catch (error) {
      throw new Unreachable(`${base} does not answer`, { cause: error });
    }
  }

  async function answerOf<T>(method: string, address: string, body?: unknown): Promise<T> {
    const response = await request(method, address, body);
    let text: string;
    try {
      text = await response.text();
    } catch (error) {
      throw new Unreachable(`${base} stopped answering`, { cause: error });
    }
    if (!response.ok) throw new RestError(response.status, `${method} ${address}: ${response.status} ${errorText(text)}`);
    return JSON.parse(text) as T;
  }

  return {
    get: (address) => answerOf("GET", address),
    send: (method, address, body) => answerOf(method, address, body),
    async upload(address, fileName, content) {
      const form = new FormData();
      form.append("file", new Blob([content]), fileName);
      await answerOf("POST", address, form);
    },
    async probe(address) {
      try {
        const response = await request("GET", address);
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
