// What a route is: a value. The server is built from a list of them, and nothing answers that is not in the list.

import type { Readable } from "node:stream";
import type { Static, TSchema } from "@cuttle/contract/rest/shapes";
import type { Alongside, AlongsideRows, Caller, PermissionName, SessionOfRequest, SpaceOfRequest } from "../access/access.ts";
import type { Actor } from "../audit/audit.ts";
import type { Database, Queryable, Transaction } from "../database/database.ts";
import type { IncomingFile } from "./incoming-file.ts";

/** `system`: no space in the address. `space`: always in one (the default when none is named). `either`: a space may be named. */
export type RouteScope = "system" | "space" | "either";

/** The placeholders of a path: "/projects/{id}/releases/{version}" → { id, version }. */
export type PathParams<P extends string> = P extends `${string}{${infer Name}}${infer Rest}`
  ? { [K in Name | keyof PathParams<Rest>]: string }
  : {};

export interface RequestContext<P extends string, S extends RouteScope, Q extends TSchema | undefined> {
  readonly caller: Caller;
  /** The caller as events name them. */
  readonly actor: Actor;
  readonly space: S extends "space" ? SpaceOfRequest : S extends "either" ? SpaceOfRequest | undefined : undefined;
  readonly params: PathParams<P>;
  readonly query: Q extends TSchema ? Static<Q> : Record<string, never>;
  /** The session the caller came by; undefined for those who came with a key. */
  readonly session: SessionOfRequest | undefined;
  /** Aborts when the client has gone; for answers that take long. */
  readonly signal: AbortSignal;
  /** Scheme, host and virtual directory as the client sees them, for the few documents that need whole addresses. */
  readonly origin: string;
  /** The Range and If-Range headers, for answers that can be had in parts. */
  readonly range: { readonly wanted: string | undefined; readonly unless: string | undefined };
  /** The Accept header, in lower case; for the few addresses that both programs and people or their shells come to. */
  readonly accept: string;
  /** Where a reader of events that lost its connection wants to go on. */
  readonly lastEventId: string | undefined;
  /** Asks once more who is calling and whether they may, for answers that last. @throws Problem as at the beginning */
  recheck(): Promise<void>;
}

export interface ReadContext<P extends string, S extends RouteScope, Q extends TSchema | undefined> extends RequestContext<P, S, Q> {
  readonly db: Queryable;
}

export interface AskContext<
  P extends string,
  S extends RouteScope,
  Q extends TSchema | undefined,
  B extends TSchema | undefined,
> extends ReadContext<P, S, Q> {
  readonly body: B extends TSchema ? Static<B> : undefined;
}

export interface ChangeContext<
  P extends string,
  S extends RouteScope,
  Q extends TSchema | undefined,
  B extends TSchema | undefined,
> extends RequestContext<P, S, Q> {
  /** The transaction of the whole request: it commits when the handler returns, and the answer goes out after that. It may run twice. */
  readonly tx: Transaction;
  readonly body: B extends TSchema ? Static<B> : undefined;
}

export interface ActContext<
  P extends string,
  S extends RouteScope,
  Q extends TSchema | undefined,
  B extends TSchema | undefined,
> extends RequestContext<P, S, Q> {
  readonly database: Database;
  readonly body: B extends TSchema ? Static<B> : undefined;
}

export interface UploadContext<P extends string, S extends RouteScope, Q extends TSchema | undefined> extends RequestContext<P, S, Q> {
  readonly database: Database;
  readonly incoming: IncomingFile;
}

/** An answer. Without a body it is empty with Content-Length 0. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  /** Address of what was created. */
  readonly location?: string;
  readonly contentType?: string;
  /** Whole Set-Cookie values. */
  readonly cookies?: readonly string[];
  /** Further headers, names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** 200 with a document. */
export const ok = (body: unknown): Answer => ({ status: 200, body });
/** 201 with the new document; its Self link becomes the Location header. */
export function created(body: object, location?: string): Answer {
  const self = location ?? (body as { Links?: Record<string, string> }).Links?.["Self"];
  return { status: 201, body, ...(self === undefined ? {} : { location: self }) };
}
/** 200 and nothing else: deletes and actions without a document. */
export const nothing = (): Answer => ({ status: 200 });
export const plainText = (body: string | Buffer | Readable): Answer => ({ status: 200, body, contentType: "text/plain; charset=utf-8" });

interface Described<P extends string, S extends RouteScope, Q extends TSchema | undefined> {
  /** Below /api and without the space: "/projects/{id}". */
  path: P;
  scope: S;
  permission: PermissionName | "anyone" | "signed-in";
  query?: Q;
  /** Shape of the document in the answer; members it does not list never leave the server. `events` are a stream that lasts. */
  answer: TSchema | "text" | "file" | "events" | "nothing";
  /**
   * Rows that are read in the same statement that says who is calling, for reads so frequent that a second statement is felt. Only in a space.
   * What it finds is handed to `answerFromRows` after the caller's permission was checked, as everywhere.
   */
  alongside?(asked: { params: PathParams<P>; query: Q extends TSchema ? Static<Q> : Record<string, never> }): Alongside;
  /**
   * The document of the answer when `alongside` found rows; when it found none, the handler answers. It sees nothing but this, because requests that
   * asked the same at once share one answer.
   */
  answerFromRows?(found: {
    readonly rows: AlongsideRows;
    readonly space: SpaceOfRequest;
    readonly query: Q extends TSchema ? Static<Q> : Record<string, never>;
  }): unknown;
  /**
   * Also called by NuGet clients, which send their API key in X-NuGet-ApiKey or as the password of Basic, and want to be asked for it.
   */
  nuget?: boolean;
}

/** One route, as the server sees it. Made by the functions below. */
export interface Route extends Omit<Described<string, RouteScope, TSchema | undefined>, "alongside" | "answerFromRows"> {
  method: "GET" | "POST" | "PUT" | "DELETE";
  changes: boolean;
  /** The handler opens its transactions itself. */
  ownTransactions?: boolean;
  body?: TSchema | undefined;
  /** The body is a file that is streamed, of at most so many bytes. */
  uploadBytesMax?: number;
  /** The answer holds a secret that is shown once, so it may not be stored for an Idempotency-Key. */
  answerHoldsSecret?: boolean;
  alongside?(asked: { params: Record<string, string>; query: unknown }): Alongside;
  answerFromRows?(found: { rows: AlongsideRows; space: SpaceOfRequest; query: unknown }): unknown;
  handler(context: never): Promise<Answer>;
}

/** A route that changes nothing. */
export function read<P extends string, S extends RouteScope, Q extends TSchema | undefined = undefined>(
  route: Described<P, S, Q> & { handler(context: ReadContext<P, S, Q>): Promise<Answer> },
): Route {
  return { ...route, method: "GET", changes: false } as unknown as Route;
}

/** A question whose words need a body: a POST that changes nothing. */
export function ask<
  P extends string,
  S extends RouteScope,
  Q extends TSchema | undefined = undefined,
  B extends TSchema | undefined = undefined,
>(route: Described<P, S, Q> & { body: B; handler(context: AskContext<P, S, Q, B>): Promise<Answer> }): Route {
  return { ...route, method: "POST", changes: false } as unknown as Route;
}

/** A route that changes something: one transaction around the handler. */
export function change<
  P extends string,
  S extends RouteScope,
  Q extends TSchema | undefined = undefined,
  B extends TSchema | undefined = undefined,
>(
  route: Described<P, S, Q> & {
    /** A GET that changes something is for links that people click; HEAD does not reach it. */
    method: "GET" | "POST" | "PUT" | "DELETE";
    body?: B;
    answerHoldsSecret?: boolean;
    handler(context: ChangeContext<P, S, Q, B>): Promise<Answer>;
  },
): Route {
  return { ...route, changes: true } as unknown as Route;
}

/**
 * A route that changes something in transactions of its own, for work that must not hold a connection of the database meanwhile.
 * It is not repeated under an Idempotency-Key.
 */
export function act<
  P extends string,
  S extends RouteScope,
  Q extends TSchema | undefined = undefined,
  B extends TSchema | undefined = undefined,
>(
  route: Described<P, S, Q> & {
    method: "POST" | "PUT" | "DELETE";
    body?: B;
    handler(context: ActContext<P, S, Q, B>): Promise<Answer>;
  },
): Route {
  return { ...route, changes: true, ownTransactions: true } as unknown as Route;
}

/** A route that takes a file. Like `act`, with the file as it comes in instead of a body. */
export function upload<P extends string, S extends RouteScope, Q extends TSchema | undefined = undefined>(
  route: Described<P, S, Q> & {
    method: "POST" | "PUT";
    uploadBytesMax: number;
    handler(context: UploadContext<P, S, Q>): Promise<Answer>;
  },
): Route {
  return { ...route, changes: true, ownTransactions: true } as unknown as Route;
}
