// Talks to a server's REST API as a registering agent does: signs in, follows links, reads pages to their end, and turns the server's refusals
// into sentences. It knows no resource.
import http from "node:http";
import https from "node:https";
import { CommandFailure, exitCodes } from "./command-line.ts";

export type Document = Record<string, unknown>;

export type Credential = { apiKey: string } | { bearerToken: string } | { username: string; password: string };

export interface ServerConnection {
  /** The address as it is shown, with a slash at its end. */
  readonly address: string;
  /** Of the root document. */
  readonly version: string;
  readonly root: Document;
  get(link: string): Promise<Document>;
  /** A bare array, as some lists are. */
  list(link: string): Promise<Document[]>;
  /** The items of all pages, or a bare array's. */
  pages(link: string): Promise<Document[]>;
  /** As `get`; undefined where the server knows no such address. */
  find(link: string): Promise<Document | undefined>;
  post(link: string, body: Document): Promise<Document>;
  put(link: string, body: Document): Promise<Document>;
  remove(link: string): Promise<void>;
  close(): void;
}

export interface ServerAddress {
  /** Such as `https://cuttle.example.com`. */
  url: string;
  credential: Credential;
  ignoreTlsErrors: boolean;
  /** Variables such as HTTPS_PROXY that name proxies. */
  proxies: NodeJS.ProcessEnv;
}

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

const answerMsMax = 100_000;
const answerBytesMax = 64 * 1024 * 1024;
const pagesMax = 10_000;
/** A server that starts says 503; so long it may take. */
const startingMsMax = 60_000;
const startingPauseMs = 1_000;
const apiMajor = "3.0.";
/** Older servers have another API. Servers in development say 0. */
const serverMajorMin = 3;
const csrfCookie = "Octopus-Csrf-Token";

/** What a server refused, with its own words. */
class RefusedByServer extends CommandFailure {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message, status === 400 || status === 409 ? exitCodes.failed : exitCodes.unexpected);
    this.status = status;
  }
}

/** Reads the root document, checks that both understand each other, and signs in. Throws CommandFailure. */
export async function connectToServer(to: ServerAddress, agentVersion: string): Promise<ServerConnection> {
  const base = readAddress(to.url);
  const isSecure = base.protocol === "https:";
  const pool = isSecure
    ? new https.Agent({ keepAlive: true, rejectUnauthorized: !to.ignoreTlsErrors, proxyEnv: to.proxies })
    : new http.Agent({ keepAlive: true, proxyEnv: to.proxies });
  const credential = to.credential;
  const headers: Record<string, string> = { Accept: "application/json", "User-Agent": `cuttle-agent/${agentVersion}` };
  if ("apiKey" in credential) headers["X-Octopus-ApiKey"] = credential.apiKey;
  if ("bearerToken" in credential) headers["Authorization"] = `Bearer ${credential.bearerToken}`;

  const resolveLink = (link: string): URL => {
    const url = link.startsWith("~/") ? new URL(link.slice(2), base) : new URL(link, base);
    // A credential goes to the server that it was given for, and nowhere else.
    if (url.origin !== base.origin)
      throw new CommandFailure(`The server's answer leads to another server: ${url.origin}.`, exitCodes.unexpected);
    return url;
  };

  const ask = (method: string, link: string, body?: Document): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const request = (isSecure ? https : http).request(resolveLink(link), {
        method,
        agent: pool,
        headers: {
          ...headers,
          ...(content === undefined ? {} : { "Content-Type": "application/json; charset=utf-8", "Content-Length": String(content.length) }),
        },
        signal: AbortSignal.timeout(answerMsMax),
      });
      request.once("error", reject);
      request.once("response", (response) => {
        const pieces: Buffer[] = [];
        let bytes = 0;
        response.on("data", (piece: Buffer) => {
          bytes += piece.length;
          if (bytes > answerBytesMax) request.destroy(new Error(`The answer to ${method} ${link} is larger than ${answerBytesMax} bytes.`));
          else pieces.push(piece);
        });
        response.once("error", reject);
        response.once("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(pieces).toString("utf8") }),
        );
      });
      request.end(content);
    });

  const send = async (method: string, link: string, body?: Document): Promise<Answer> => {
    try {
      return await ask(method, link, body);
    } catch (error) {
      if (error instanceof CommandFailure) throw error;
      throw new CommandFailure(`Unable to connect to the server at ${base.href}: ${reasonOf(error)}`, exitCodes.unexpected);
    }
  };
  const read = (answer: Answer, method: string, link: string): unknown => {
    const content = parse(answer.text);
    if (answer.status >= 200 && answer.status < 300) {
      if (answer.text.trim() !== "" && content === undefined)
        throw new CommandFailure(`The answer to ${method} ${link} is not JSON; is ${base.href} the right address?`, exitCodes.unexpected);
      return content;
    }
    throw new RefusedByServer(answer.status, describeRefusal(answer.status, content, `${method} ${link}`));
  };
  const readDocument = (answer: Answer, method: string, link: string): Document => {
    const content = read(answer, method, link);
    if (!isDocument(content)) throw new CommandFailure(`The answer to ${method} ${link} is not a document.`, exitCodes.unexpected);
    return content;
  };
  const get = async (link: string): Promise<Document> => readDocument(await send("GET", link), "GET", link);

  const readRoot = async (): Promise<Document> => {
    for (const deadline = performance.now() + startingMsMax; ;) {
      const answer = await send("GET", "~/api");
      if (answer.status !== 503 || performance.now() > deadline) return readDocument(answer, "GET", "/api");
      await new Promise((resolve) => setTimeout(resolve, startingPauseMs));
    }
  };

  try {
    const root = await readRoot();
    const version = checkVersions(root, agentVersion);
    if ("username" in credential) {
      const link = expand(linkOf(root, "SignIn"));
      const body = {
        Username: credential.username,
        Password: credential.password,
        RememberMe: false,
        State: { UsingSecureConnection: isSecure },
      };
      const answer = await send("POST", link, body);
      // A wrong password is a refusal of the credential, whichever status the server uses for it.
      if (answer.status === 400) throw new CommandFailure(describeRefusal(400, parse(answer.text), link), exitCodes.unexpected);
      read(answer, "POST", link);
      const cookies = (answer.headers["set-cookie"] ?? []).map((cookie) => cookie.split(";")[0]!.trim());
      const csrf = cookies.find((cookie) => cookie.startsWith(csrfCookie));
      if (csrf === undefined)
        throw new CommandFailure("The server signed in, but gave no token against forged requests.", exitCodes.unexpected);
      headers["Cookie"] = cookies.join("; ");
      headers["X-Octopus-Csrf-Token"] = csrf.slice(csrf.indexOf("=") + 1);
    }
    const connection: ServerConnection = {
      address: base.href,
      version,
      root,
      get,
      async list(link) {
        const content = read(await send("GET", link), "GET", link);
        if (!Array.isArray(content) || !content.every(isDocument))
          throw new CommandFailure(`The answer to GET ${link} is not a list.`, exitCodes.unexpected);
        return content;
      },
      async pages(link) {
        const items: Document[] = [];
        let next: string | undefined = link;
        for (let page = 0; next !== undefined; page++) {
          if (page >= pagesMax) throw new CommandFailure(`${link} has more than ${pagesMax} pages.`, exitCodes.unexpected);
          const at: string = next;
          const content = read(await send("GET", at), "GET", at);
          const found: unknown = Array.isArray(content) ? content : isDocument(content) ? content["Items"] : undefined;
          if (!Array.isArray(found) || found.length === 0) return items;
          items.push(...found.filter(isDocument));
          next = isDocument(content) ? findLink(content, "Page.Next") : undefined;
        }
        return items;
      },
      async find(link) {
        const answer = await send("GET", link);
        return answer.status === 404 ? undefined : readDocument(answer, "GET", link);
      },
      post: async (link, body) => readDocument(await send("POST", link, body), "POST", link),
      put: async (link, body) => readDocument(await send("PUT", link, body), "PUT", link),
      async remove(link) {
        read(await send("DELETE", link), "DELETE", link);
      },
      close: () => pool.destroy(),
    };
    return connection;
  } catch (error) {
    pool.destroy();
    throw error;
  }
}

/** The address with a slash at its end. Throws CommandFailure. */
export function readAddress(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new CommandFailure(`${text} is no address; give it as https://your-server.`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new CommandFailure(`${text} is no address of a web server; it has to begin with https://.`);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/** A template's address: values for the variables it names, the others left out. */
export function expand(template: string, values: Readonly<Record<string, string | readonly string[]>> = {}): string {
  const text = (name: string): string | undefined => {
    const value = values[name];
    return value === undefined ? undefined : typeof value === "string" ? value : value.join(",");
  };
  return template.replace(/\{([/?]?)([^{}]*)\}/g, (_, kind: string, list: string) => {
    const names = list.split(",").map((name) => name.replace(/\*$/, ""));
    const given = names.flatMap((name) => {
      const value = text(name);
      return value === undefined ? [] : [[name, encodeURIComponent(value)] as const];
    });
    if (given.length === 0) return "";
    if (kind === "?") return `?${given.map(([name, value]) => `${name}=${value}`).join("&")}`;
    return `${kind}${given.map(([, value]) => value).join(kind === "/" ? "/" : ",")}`;
  });
}

/** The link of that name, in any case. Throws CommandFailure when there is none. */
export function linkOf(document: Document, name: string): string {
  const link = findLink(document, name);
  if (link === undefined) throw new CommandFailure(`The document does not define a link for '${name}'`, exitCodes.unexpected);
  return link;
}

export function findLink(document: Document, name: string): string | undefined {
  const links = document["Links"];
  if (!isDocument(links)) return undefined;
  const found = Object.entries(links).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
  return typeof found === "string" ? found : undefined;
}

export function textOf(document: Document, name: string): string {
  const value = document[name];
  return typeof value === "string" ? value : "";
}

function checkVersions(root: Document, agentVersion: string): string {
  const version = textOf(root, "Version");
  const api = textOf(root, "ApiVersion");
  if (version === "")
    throw new CommandFailure("The server does not say its version; is this the address of a server?", exitCodes.unexpected);
  if (!api.startsWith(apiMajor)) {
    throw new CommandFailure(
      `The server speaks version ${api} of the API, and this agent versions ${apiMajor}0 to ${apiMajor}99. Please update the older one.`,
      exitCodes.unexpected,
    );
  }
  const major = Number(version.split(".")[0]);
  if (major > 0 && major < serverMajorMin)
    throw new CommandFailure(`You cannot register a ${agentVersion.split(".")[0]}.* Octopus Tentacle with a ${major}.* Octopus Server.`);
  return version;
}

function describeRefusal(status: number, content: unknown, what: string): string {
  const document = isDocument(content) ? content : {};
  const message = textOf(document, "ErrorMessage");
  const errors = Array.isArray(document["Errors"]) ? document["Errors"].filter((one) => typeof one === "string") : [];
  const isRefusalOfInput = status === 400 || status === 409;
  if (message === "") return `The server answered ${what} with status ${status}.`;
  if (isRefusalOfInput) return [message, ...errors.map((error) => ` - ${error}`)].join("\n");
  return status >= 500 ? `The server returned an error: ${message}` : message;
}

function reasonOf(error: unknown): string {
  const one = error as { errors?: unknown[]; message?: string; name?: string; code?: string };
  if (one.name === "TimeoutError" || one.name === "AbortError") return `no answer within ${answerMsMax / 1000} s.`;
  // What OpenSSL says of it names its own source files.
  if (one.code === "EPROTO" && /wrong version number|packet length/i.test(one.message ?? ""))
    return "it does not speak TLS there. Is its address http:// instead of https://?";
  // A host with several addresses: each has its reason.
  const first = Array.isArray(one.errors) && one.errors.length > 0 ? (one.errors[0] as Error).message : one.message;
  return first === undefined || first === "" ? String(error) : first;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isDocument(value: unknown): value is Document {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
