// The HTTP edge on fastify: every request gets its address read, its caller known, its permission checked and its body shaped
// before a handler sees it, and every outcome leaves as an answer of the API. One of the four places that catch errors.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import fastify from "fastify";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Problem, problem } from "../../base/problems.ts";
import {
  actorOf,
  anonymous,
  csrfHeader,
  csrfMatches,
  createRequestLookUp,
  isSignedIn,
  mayDo,
  requirePermission,
  requireSignedIn,
  sessionHashes,
} from "../access/access.ts";
import type { Alongside, AlongsideRows, Caller, Found, RequestFacts } from "../access/access.ts";
import type { Database, Transaction } from "../database/database.ts";
import { hashApiKey } from "../secrets/secrets.ts";
import { obeyMethodOverride, readAddress } from "./address.ts";
import type { Address, AddressParts } from "./address.ts";
import { withIncomingFile } from "./incoming-file.ts";
import { fingerprintOf, onceOnly, readIdempotencyKey } from "./idempotency.ts";
import { isStorable, readJson } from "./json-text.ts";
import { readListenPrefixes } from "./listen-prefix.ts";
import { answerBrokenRequest, headerBytesMax } from "./broken-request.ts";
import { errorBody, problemOf } from "./problem-answer.ts";
import { compileReader } from "./shape-reader.ts";
import type { Reader } from "./shape-reader.ts";
import { compileWriter } from "./shape-writer.ts";
import type { ShapeWriter } from "./shape-writer.ts";
import { findPage } from "./pages.ts";
import type { Pages } from "./pages.ts";
import type { Answer, Route } from "./route.ts";
import { checkRoutes, firstSegments, routerPath, unknownAddress } from "./route-table.ts";

/** A process with hundreds of steps is about 1 MB of JSON; ten times that is room enough. Packages go another way. */
export const jsonBodyBytesMax = 10 * 1024 * 1024;
/** A client that has not sent its whole request by then is stuck or hostile. */
const requestReceiveTimeoutMs = 60_000;
/** The same for files: 5 GB over a line of 2 Mbit/s take so long. Silence in between is cut much earlier. */
const uploadReceiveTimeoutMs = 6 * 60 * 60_000;
const headersReceiveTimeoutMs = 15_000;
/** Longer than the usual 60 s of load balancers, so that they, not we, close an idle connection. */
const keepAliveTimeoutMs = 75_000;
/** Ids and names in addresses; the database would find nothing longer anyway. */
const pathParamCharactersMax = 500;
/** Maintenance lasts minutes; asking more often changes nothing. */
const maintenanceRetrySeconds = 60;
/** Answers up to this many characters go out in one piece with their headers. */
const joinedTextMax = 16 * 1024;
/** After this long an unfinished request is cut when the node stops. */
const closeGraceMsDefault = 25_000;

export interface HttpServerParts {
  database: Database;
  routes: readonly Route[];
  /** Goes out as the Octopus-Node header, so that one can see which node answered. */
  nodeName: string;
  /** Told about errors that are our fault or the database's, with the id the caller was shown. */
  reportFault: (fault: { error: unknown; route: string; requestId: string }) => void;
  /** Answers what no route does: the web portal. */
  pages?: Pages;
  jsonBodyBytesMax?: number;
  /** How long a request may take to arrive; tests shorten it. */
  requestReceiveTimeoutMs?: number;
}

export interface HttpServer {
  /** Starts listening; `prefixes` as in http://*:8080/octopus;http://localhost:9090. Port 0 takes a free one. Returns the real ports. */
  listen(prefixes: string): Promise<{ host: string | undefined; port: number; virtualDirectory: string }[]>;
  /** Refuses new connections, finishes running requests, and cuts what is still open after `graceMs`. */
  close(graceMs?: number): Promise<void>;
  readonly routes: readonly Route[];
}

interface PreparedRoute {
  route: Route;
  readBody: Reader | undefined;
  readQuery: Reader | undefined;
  write: ShapeWriter | undefined;
}

/** What is known of a request before its route runs. */
interface Known {
  address: Address;
  facts?: RequestFacts;
  /** What the route asked together with them, when it found something. */
  found?: Found | undefined;
  /** The query as the route reads it, once it was read. */
  query?: unknown;
}

const addressOf = Symbol("address");
type Marked = IncomingMessage & { [addressOf]?: Known };

const securityHeaders = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
} as const;

/** Builds the server. @throws Error when a route names no permission, or two routes claim one address */
export function createHttpServer(parts: HttpServerParts): HttpServer {
  checkRoutes(parts.routes);
  const bodyBytesMax = parts.jsonBodyBytesMax ?? jsonBodyBytesMax;
  const receiveTimeoutMs = parts.requestReceiveTimeoutMs ?? requestReceiveTimeoutMs;
  const addressParts: AddressParts & { virtualDirectories: Set<string> } = {
    collections: firstSegments(parts.routes),
    spaceCollections: firstSegments(parts.routes.filter((route) => route.scope !== "system")),
    virtualDirectories: new Set(),
  };
  const nodeName = parts.nodeName.replace(/[^\x20-\x7e]/g, "?");
  const everyHeader = { ...securityHeaders, "octopus-node": nodeName };
  const servers = new Set<Server>();
  /** Open connections; browsers and clients also keep some on which they have asked nothing yet. */
  const connections = new Set<Socket>();
  const lookUp = createRequestLookUp(parts.database);
  /** Answers by what they were made of and by address, as long as a request is there that has it. */
  const sharedTexts = new WeakMap<AlongsideRows, Map<string, string | Buffer>>();
  let closing = false;

  const app = fastify({
    bodyLimit: bodyBytesMax,
    genReqId: () => randomUUID(),
    return503OnClosing: false,
    routerOptions: { caseSensitive: false, maxParamLength: pathParamCharactersMax },
    rewriteUrl(raw) {
      obeyMethodOverride(raw as IncomingMessage);
      const address = readAddress(raw.url ?? "/", addressParts);
      (raw as Marked)[addressOf] = { address };
      return address.url;
    },
    frameworkErrors: (error, request, reply) => void answerError(error, request as FastifyRequest, reply as FastifyReply),
  });

  // Bodies stay bytes until the caller is known and allowed; then they are read in the route's shape.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(["application/json", "text/json"], { parseAs: "buffer" }, (request, body, done) =>
    done(unreadableAs(request), body),
  );
  // Everything else is read by the routes that take files, and by no other.
  app.addContentTypeParser("*", (request, _payload, done) => {
    if (routeOf(request)?.uploadBytesMax !== undefined) done(null, undefined);
    else done(problem.unsupportedMediaType(request.headers["content-type"] ?? "none"), undefined);
  });
  // These two stand before every request: with a callback they cost it no turn of a promise.
  app.addHook("onRequest", (request, reply, done) => {
    reply.headers(everyHeader);
    if (routeOf(request)?.uploadBytesMax === undefined) limitReceiving(request.raw, reply.raw);
    done();
  });
  app.addHook("onSend", (_request, reply, _payload, done) => {
    // A kept connection would hold up the close until the grace ends.
    if (closing) reply.header("connection", "close");
    done();
  });
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply));
  app.setNotFoundHandler(async (request, reply) => {
    const { linkPrefix } = (request.raw as Marked)[addressOf]!.address;
    const page = parts.pages && (await findPage(parts.pages, request, linkPrefix));
    if (page !== undefined) return reply.code(page.status).headers(page.headers).send(page.body);
    return answerError(unknownAddress(request, parts.routes), request, reply);
  });

  for (const route of parts.routes) {
    const prepared: PreparedRoute = {
      route,
      readBody: route.body && compileReader(route.body, "body"),
      readQuery: route.query && compileReader(route.query, "query"),
      write: typeof route.answer === "string" ? undefined : compileWriter(route.answer),
    };
    app.route({
      method: route.method,
      url: routerPath(route),
      // Whoever only looks where a link leads must not use it up.
      exposeHeadRoute: !route.changes,
      config: { route } satisfies RouteConfig,
      onRequest: (request) => admit(prepared, request),
      handler: (request, reply) => run(prepared, request, reply),
    });
  }

  /** Cuts off a request whose body has not come in time. Not the server's own limit, because files may take longer. */
  function limitReceiving(request: IncomingMessage, response: ServerResponse): void {
    if (request.headers["transfer-encoding"] === undefined && (request.headers["content-length"] ?? "0") === "0") return;
    const late = setTimeout(() => {
      if (response.headersSent) request.socket.destroy();
      else answerBrokenRequest(Object.assign(new Error("late"), { code: "ERR_HTTP_REQUEST_TIMEOUT" }), request.socket, nodeName);
    }, receiveTimeoutMs);
    const { socket } = request;
    const done = (): void => {
      clearTimeout(late);
      socket.off("close", done);
    };
    // Once it is answered, a request is not told any more that its connection has gone.
    socket.once("close", done);
    request.once("close", done);
  }

  /** Who is calling, in which space, and may they: before the body is even read. */
  async function admit(prepared: PreparedRoute, request: FastifyRequest): Promise<void> {
    const known = (request.raw as Marked)[addressOf]!;
    const { facts, found } = await factsOf(prepared.route, request, known.address, alongsideOf(prepared, request, known));
    known.facts = facts;
    if (found !== undefined && found.rows.length > 0) known.found = found;
  }

  /** What the route reads in the statement that says who is calling; nothing for a request that it cannot read, which `run` will refuse. */
  function alongsideOf({ route, readQuery }: PreparedRoute, request: FastifyRequest, known: Known): Alongside | undefined {
    if (route.alongside === undefined) return undefined;
    const params = request.params as Record<string, string>;
    const faults: string[] = [];
    const query = readQuery === undefined ? {} : readQuery(request.query, "", faults);
    if (faults.length > 0 || !Object.values(params).every(isStorable)) return undefined;
    known.query = query;
    return route.alongside({ params, query });
  }

  /** @throws Problem when the caller may not do this, or not any more */
  async function factsOf(
    route: Route,
    request: FastifyRequest,
    address: Address,
    alongside?: Alongside,
  ): Promise<{ facts: RequestFacts; found?: Found }> {
    const { space } = address;
    if (route.scope === "system" && space !== undefined) throw problem.notFound("address", request.url);
    // Whoever calls a route that is open to anyone, the answer is the same, also while there is no database to ask.
    if (route.permission === "anyone" && route.scope === "system")
      return { facts: { caller: undefined, session: undefined, space: undefined, isInMaintenance: false } };
    const { key, kind } = credentialOf(request, route);
    if (space !== undefined && !isStorable(space)) throw problem.notFound("space", space);
    const keyHash = key === undefined ? undefined : hashApiKey(key);
    const credentials = { keyHash, sessionHashes: keyHash === undefined ? sessionHashes(request.headers.cookie) : [] };
    const found = await lookUp.find(credentials, space ?? null, alongside);
    const { facts } = found;
    if (key !== undefined && facts.caller === undefined && route.permission !== "anyone") throw problem.credentialNotValid(kind);
    // A browser sends its cookies whatever page asks it to; only our own page knows the second secret.
    if (facts.session !== undefined && route.changes && !csrfMatches(request.headers[csrfHeader], facts.session.csrfHash)) {
      throw new Problem(
        403,
        `A change in a session needs the header X-Octopus-Csrf-Token with the value of the session's cookie of nearly that name.`,
      );
    }
    const caller = facts.caller ?? anonymous;
    if (route.permission !== "anyone") requireSignedIn(caller);
    const needsSpace = route.scope === "space" || (route.scope === "either" && space !== undefined);
    if (needsSpace && facts.space === undefined) throw problem.notFound("space", space ?? "default");
    if (route.permission !== "anyone" && route.permission !== "signed-in") {
      requirePermission(caller, route.permission, { spaceId: needsSpace ? facts.space!.id : null });
    }
    if (facts.isInMaintenance && route.changes && route.permission !== "anyone" && !mayDo(caller, "AdministerSystem", { spaceId: null }))
      throw problem.unavailable(
        "The server is in maintenance: until that ends, only administrators may change anything.",
        maintenanceRetrySeconds,
      );
    return { facts: needsSpace ? facts : { ...facts, space: undefined }, found };
  }

  async function run(prepared: PreparedRoute, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { route } = prepared;
    const known = (request.raw as Marked)[addressOf]!;
    if (known.found !== undefined && route.answerFromRows !== undefined) {
      reply.code(200);
      return sendJson(textFromRows(prepared, request, known, known.found), reply);
    }
    const caller: Caller = known.facts!.caller ?? anonymous;
    const params = request.params as Record<string, string>;
    for (const value of Object.values(params))
      if (!isStorable(value)) throw problem.invalid("The address holds characters that no id or name has.");
    const base = {
      caller,
      actor: actorOf(caller),
      space: known.facts!.space,
      session: known.facts!.session,
      params,
      query: readParts(prepared.readQuery, request.query, "The query"),
      get signal() {
        return signalOf(reply);
      },
      get origin() {
        return originOf(request, known.address.linkPrefix);
      },
      range: { wanted: request.headers.range, unless: request.headers["if-range"] as string | undefined },
      accept: request.headers.accept?.toLowerCase() ?? "",
      lastEventId: oneHeader(request.headers["last-event-id"]),
      recheck: async () => void (await factsOf(route, request, known.address)),
    };
    const handler = route.handler as (context: object) => Promise<Answer>;
    let answer: Answer;
    if (!route.changes) {
      const asked = prepared.readBody && { body: readBody(prepared.readBody, request) };
      answer = await handler(Object.assign(base, { db: parts.database, ...asked }));
    } else if (route.uploadBytesMax !== undefined) {
      answer = await withIncomingFile(request.raw, route.uploadBytesMax, (incoming) =>
        handler(Object.assign(base, { database: parts.database, incoming })),
      );
    } else {
      const bytes = request.body as Buffer | undefined;
      const body = prepared.readBody && readBody(prepared.readBody, request);
      if (route.ownTransactions)
        return send(prepared, await handler(Object.assign(base, { database: parts.database, body })), known.address.linkPrefix, reply);
      const key =
        route.method === "POST" && !route.answerHoldsSecret && isSignedIn(caller)
          ? readIdempotencyKey(request.headers["idempotency-key"])
          : undefined;
      answer = await parts.database.transaction(
        (tx: Transaction) => {
          const work = () => handler(Object.assign(base, { tx, body }));
          if (key === undefined) return work();
          const fingerprint = fingerprintOf(route.method, `${known.facts!.space?.id ?? ""} ${known.address.url}`, bytes);
          // What is stored is what the client was shown, so nothing that the shape leaves out can be read from it.
          return onceOnly(tx, { userId: caller.userId!, key, fingerprint }, async () => shaped(prepared, await work()));
        },
        { readBack: true },
      );
    }
    return send(prepared, answer, known.address.linkPrefix, reply);
  }

  function shaped({ write }: PreparedRoute, answer: Answer): Answer {
    return write === undefined || answer.body === undefined ? answer : { ...answer, body: write.value(answer.body, "") };
  }

  function send({ write }: PreparedRoute, answer: Answer, linkPrefix: string, reply: FastifyReply): FastifyReply {
    reply.code(answer.status);
    if (answer.cookies !== undefined) reply.header("set-cookie", answer.cookies);
    if (answer.location !== undefined) reply.header("location", linkPrefix + answer.location);
    if (answer.headers !== undefined) reply.headers(answer.headers);
    if (answer.body === undefined) return reply.header("content-length", "0").send();
    if (reply.request.method === "HEAD" && answer.body instanceof Readable) {
      // What nobody reads must not be drained for nothing; one that lasts would never end.
      answer.body.destroy();
      return reply.header("content-type", answer.contentType ?? "text/plain; charset=utf-8").send();
    }
    if (write === undefined || answer.contentType !== undefined) {
      return reply.header("content-type", answer.contentType ?? "text/plain; charset=utf-8").send(answer.body);
    }
    return sendJson(sendable(write.body(answer.body, linkPrefix)), reply);
  }

  /** Made once for all requests with the same address that share what was found. */
  function textFromRows({ route, write }: PreparedRoute, request: FastifyRequest, known: Known, found: Found): string | Buffer {
    const { linkPrefix } = known.address;
    const key = `${linkPrefix} ${request.url}`;
    let texts = sharedTexts.get(found.rows);
    if (texts === undefined) sharedTexts.set(found.rows, (texts = new Map()));
    let text = texts.get(key);
    if (text === undefined) {
      const document = route.answerFromRows!({ rows: found.rows, space: found.facts.space!, query: known.query });
      texts.set(key, (text = sendable(write!.body(document, linkPrefix))));
    }
    return text;
  }

  function sendJson(text: string | Buffer, reply: FastifyReply): FastifyReply {
    return reply.header("content-type", "application/json; charset=utf-8").send(text);
  }

  function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const known = problemOf(error, { bodyBytesMax });
    const route = `${request.method} ${request.routeOptions?.url ?? "?"}`;
    // A 503 without a cause says what this node has logged already, once instead of at each question of a balancer.
    if (known === undefined || (known.status >= 500 && !(known.status === 503 && known.cause === undefined)))
      parts.reportFault({ error: known?.cause ?? error, route, requestId: String(request.id) });
    const shown =
      known ??
      new Problem(
        500,
        `The server could not carry out this request because of a fault of its own. Its log has the details under ${String(request.id)}.`,
      );
    if (shown.retryAfterSeconds !== undefined) reply.header("retry-after", String(shown.retryAfterSeconds));
    if (shown.status === 401 && routeOf(request)?.nuget === true) reply.header("www-authenticate", 'Basic realm="NuGet", charset="UTF-8"');
    reply.headers(everyHeader);
    return reply
      .code(shown.status)
      .header("content-type", "application/json; charset=utf-8")
      .send(JSON.stringify(errorBody(shown.status, shown.message, shown.errors)));
  }

  return {
    routes: parts.routes,
    async listen(setting) {
      const prefixes = readListenPrefixes(setting);
      for (const { virtualDirectory } of prefixes) addressParts.virtualDirectories.add(virtualDirectory);
      await app.ready();
      const byPlace = Map.groupBy(prefixes, (prefix) => `${prefix.host ?? "*"}:${prefix.port}`);
      const listening = [];
      for (const same of byPlace.values()) {
        const { host, port } = same[0]!;
        const server = createServer(
          {
            requestTimeout: uploadReceiveTimeoutMs,
            headersTimeout: headersReceiveTimeoutMs,
            keepAliveTimeout: keepAliveTimeoutMs,
            maxHeaderSize: headerBytesMax,
          },
          (request, response) => app.routing(request, response),
        );
        server.on("connection", (socket) => {
          connections.add(socket);
          socket.once("close", () => connections.delete(socket));
        });
        server.on("clientError", (error: NodeJS.ErrnoException, socket) => answerBrokenRequest(error, socket, nodeName));
        await new Promise<void>((resolve, reject) => {
          server.once("error", reject);
          server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
            server.off("error", reject);
            resolve();
          });
        });
        servers.add(server);
        const bound = (server.address() as AddressInfo).port;
        listening.push(...same.map((prefix) => ({ ...prefix, port: bound })));
      }
      return listening;
    },
    async close(graceMs = closeGraceMsDefault) {
      closing = true;
      await Promise.all(
        [...servers].map(async (server) => {
          const closed = new Promise<void>((resolve) => server.close(() => resolve()));
          server.closeIdleConnections();
          // To Node a connection is not idle before its first request, and would hold up the close until the grace ends.
          for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
          const cut = setTimeout(() => server.closeAllConnections(), graceMs);
          await closed;
          clearTimeout(cut);
        }),
      );
      await app.close();
    },
  };
}

/** A long text is made into bytes once here, instead of being measured and joined with the headers first. */
function sendable(body: string | Buffer): string | Buffer {
  return typeof body === "string" && body.length > joinedTextMax ? Buffer.from(body) : body;
}

interface RouteConfig {
  route?: Route;
}

/** The route a request was matched to; undefined where nothing answers. */
/** Why the bytes of a JSON body are not the text they stand for; null when they are. */
function unreadableAs({ headers }: FastifyRequest): Problem | null {
  const encoding = headers["content-encoding"]?.trim() ?? "";
  if (!/^(?:identity)?$/i.test(encoding)) return problem.unsupportedEncoding(encoding);
  const charset = /;\s*charset\s*=\s*"?([^";]*)/i.exec(headers["content-type"] ?? "")?.[1]?.trim() ?? "";
  return /^(?:utf-?8|us-ascii)?$/i.test(charset) ? null : problem.unsupportedEncoding(charset);
}

function routeOf(request: FastifyRequest): Route | undefined {
  return (request.routeOptions?.config as RouteConfig | undefined)?.route;
}

/** What the client has before our path. A proxy says what it was asked for; whoever lies about it misleads only himself. */
function originOf(request: FastifyRequest, linkPrefix: string): string {
  const first = (name: string) =>
    String(request.headers[name] ?? "")
      .split(",")[0]!
      .trim();
  const scheme = /^https?$/i.test(first("x-forwarded-proto")) ? first("x-forwarded-proto").toLowerCase() : "http";
  const hosts = [first("x-forwarded-host"), first("host"), "localhost"];
  const host = hosts.find((one) => /^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/.test(one));
  return `${scheme}://${host}${linkPrefix}`;
}

interface Credential {
  key: string | undefined;
  /** What the sender took it for. */
  kind: "API key" | "bearer token";
}

/** What was sent; an empty header is none. In the query a key counts for reading only, since addresses end up in logs. */
function credentialOf(request: FastifyRequest, route: Route): Credential {
  const header = request.headers["x-octopus-apikey"];
  const key = (Array.isArray(header) ? header[0] : header)?.trim();
  if (key) return { key, kind: "API key" };
  const { authorization } = request.headers;
  if (route.nuget === true) {
    const pushed = request.headers["x-nuget-apikey"];
    const nugetKey = (Array.isArray(pushed) ? pushed[0] : pushed)?.trim();
    if (nugetKey) return { key: nugetKey, kind: "API key" };
    const basic = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(authorization?.trim() ?? "")?.[1];
    const decoded = basic === undefined ? "" : Buffer.from(basic, "base64").toString("utf8");
    // The user name is whatever the tool asked for; the key alone says who it is.
    if (decoded.includes(":")) return { key: decoded.slice(decoded.indexOf(":") + 1).trim(), kind: "API key" };
  }
  if (route.permission !== "anyone" && authorization !== undefined) {
    const bearer = /^Bearer +(\S+)$/i.exec(authorization.trim())?.[1];
    if (bearer === undefined) throw new Problem(401, "This server accepts no other Authorization than 'Bearer' with an API key.");
    return { key: bearer, kind: "bearer token" };
  }
  const query = request.query as Record<string, unknown>;
  const name = route.changes ? undefined : Object.keys(query).find((one) => one.toLowerCase() === "apikey");
  const value = name === undefined ? undefined : query[name];
  return { key: typeof value === "string" && value !== "" ? value : undefined, kind: "API key" };
}

function oneHeader(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function readBody(reader: Reader, request: FastifyRequest): unknown {
  const bytes = request.body as Buffer | undefined;
  return readParts(reader, (bytes && readJson(bytes)) ?? {}, "");
}

function readParts(reader: Reader | undefined, value: unknown, at: string): unknown {
  if (reader === undefined) return {};
  const faults: string[] = [];
  const result = reader(value, at === "The query" ? "" : at, faults);
  if (faults.length > 0) throw problem.invalid(faults);
  return result;
}

function signalOf(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort());
  return gone.signal;
}
