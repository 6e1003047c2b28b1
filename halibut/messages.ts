/** Requests and responses as the documents that travel, and back. Pure: no bytes, no sockets; which `$type` texts may occur is fixed here and in the contracts. */
import { randomUUID } from "node:crypto";
import { Binary, guidToBytes } from "./bson.ts";
import type { BsonDocument, BsonValue } from "./bson.ts";
import type { IncomingStream, OutgoingStream } from "./data-streams.ts";
import { ArgumentMismatch, HalibutCallError, ProtocolError } from "./errors.ts";
import { collectStreams, decodeValue, encodeValue, memberFinder } from "./values.ts";
import type { ServiceContract, Shape } from "./shapes.ts";
import type { DecodeContext } from "./values.ts";

const REQUEST_TYPE = "Halibut.Transport.Protocol.RequestMessage, Halibut";
const RESPONSE_TYPE = "Halibut.Transport.Protocol.ResponseMessage, Halibut";
/** .NET peers take this start of `details` to mean that the method itself threw, so that trying again makes no sense. */
const SERVICE_THREW = "System.Reflection.TargetInvocationException: Exception has been thrown by the target of an invocation.";
const EXCEPTIONS = "Halibut.Exceptions.";

export interface OutgoingMessage {
  document: BsonDocument;
  streams: OutgoingStream[];
}

export interface Request {
  id: string | null;
  service: string | null;
  method: string | null;
  params: BsonValue[];
}

export interface ResponseError {
  message: string;
  details: string | null;
  halibutErrorType: string | null;
}

export interface Response {
  id: string | null;
  error: ResponseError | null;
  result: BsonValue;
}

/** The empty message that a dispatcher sends when there is nothing to do. */
export const nothingMessage: BsonDocument = new Map([["Message", null]]);

/**
 * A request with its streams. `url` and `thumbprint` describe the peer: the service does not use them, but the original cannot read a request without
 * them. Arguments that do not fit the contract are a TypeError.
 */
export function encodeRequest(
  call: { contract: ServiceContract; method: string; params: readonly unknown[] },
  peer: { url: string; thumbprint: string },
  sequence: number,
): OutgoingMessage & { id: string } {
  const declared = ownMethod(call.contract, call.method);
  if (declared === undefined) throw new TypeError(`The contract ${call.contract.name} has no method ${call.method}.`);
  if (declared.params.length !== call.params.length)
    throw new TypeError(`${call.contract.name}.${call.method} takes ${declared.params.length} arguments, not ${call.params.length}.`);
  const activityId = randomUUID();
  const id = `${call.contract.name}::${call.method}Async[${sequence}] / ${activityId}`;
  const streams: OutgoingStream[] = [];
  const params = declared.params.map((shape, index) =>
    encodeValue(shape, call.params[index], true, streams, `${call.contract.name}.${call.method}, argument ${index + 1}`),
  );
  const endpoint: BsonDocument = new Map<string, BsonValue>([
    ["PollingRequestQueueTimeout", "00:02:00"],
    ["RetryListeningSleepInterval", "00:00:01"],
    ["RetryCountLimit", 5],
    ["ConnectionErrorRetryTimeout", "00:05:00"],
    ["TcpClientConnectTimeout", "00:01:00"],
    ["BaseUri", peer.url],
    ["RemoteThumbprint", peer.thumbprint],
    ["Proxy", null],
    ["ForceResolveHost", null],
    ["IsWebSocketEndpoint", false],
  ]);
  const message: BsonDocument = new Map<string, BsonValue>([
    ["$type", REQUEST_TYPE],
    ["id", id],
    ["activityId", new Binary(4, guidToBytes(activityId))],
    ["endpoint", endpoint],
    ["service", call.contract.name],
    ["method", call.method],
    ["params", params],
  ]);
  return { id, streams, document: new Map([["Message", message]]) };
}

/** A response that carries a result. A result that does not fit the contract is a TypeError. */
export function encodeResult(requestId: string | null, shape: Shape, result: unknown, what: string): OutgoingMessage {
  const streams: OutgoingStream[] = [];
  const value = encodeValue(shape, result, true, streams, `The result of ${what}`);
  return { document: responseDocument(requestId, null, value), streams };
}

/** A response that carries an error. */
export function encodeError(requestId: string | null, error: ResponseError): OutgoingMessage {
  const document: BsonDocument = new Map<string, BsonValue>([
    ["message", error.message],
    ["details", error.details],
    ["HalibutErrorType", error.halibutErrorType],
  ]);
  return { document: responseDocument(requestId, document, null), streams: [] };
}

function responseDocument(id: string | null, error: BsonValue, result: BsonValue): BsonDocument {
  const message: BsonDocument = new Map<string, BsonValue>([
    ["$type", RESPONSE_TYPE],
    ["id", id],
    ["error", error],
    ["result", result],
  ]);
  return new Map([["Message", message]]);
}

/** What is inside the envelope: the message's document, or null for the empty message. */
function openEnvelope(envelope: BsonDocument, type: string): BsonDocument | null {
  const message = memberFinder(envelope)("Message");
  if (message === undefined) throw new ProtocolError("An envelope has no Message.");
  if (message === null) return null;
  if (!(message instanceof Map)) throw new ProtocolError("An envelope's Message is not a document.");
  const stated = message.get("$type");
  if (stated !== undefined && stated !== type) throw new ProtocolError("A message is not of the type that is due.");
  return message;
}

function textOrNull(value: BsonValue | undefined, what: string): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return String(value);
  throw new ProtocolError(`${what} is not a text.`);
}

/** A received request, its arguments still undecoded; null for the empty message. */
export function decodeRequest(envelope: BsonDocument): Request | null {
  const message = openEnvelope(envelope, REQUEST_TYPE);
  if (message === null) return null;
  const member = memberFinder(message);
  const params = member("params") ?? [];
  if (!Array.isArray(params)) throw new ProtocolError("A request's params are not a list.");
  return {
    id: textOrNull(member("id"), "A request's id"),
    service: textOrNull(member("service"), "A request's service"),
    method: textOrNull(member("method"), "A request's method"),
    params,
  };
}

/** A received response, its result still undecoded. */
export function decodeResponse(envelope: BsonDocument): Response {
  const message = openEnvelope(envelope, RESPONSE_TYPE);
  if (message === null) throw new ProtocolError("The peer sent an empty message where a response was due.");
  const member = memberFinder(message);
  const error = member("error") ?? null;
  let problem: ResponseError | null = null;
  if (error !== null) {
    if (!(error instanceof Map)) throw new ProtocolError("A response's error is not a document.");
    const part = memberFinder(error);
    problem = {
      message: textOrNull(part("message"), "An error's message") ?? "",
      details: textOrNull(part("details"), "An error's details"),
      halibutErrorType: textOrNull(part("HalibutErrorType"), "An error's type"),
    };
  }
  return { id: textOrNull(member("id"), "A response's id"), error: problem, result: member("result") ?? null };
}

/** The result of a successful response by its shape; `incoming` collects the streams whose frames follow. */
export function decodeResult(shape: Shape, response: Response, context: DecodeContext, what: string): unknown {
  try {
    return decodeValue(shape, response.result, false, context, `The result of ${what}`);
  } catch (error) {
    throw error instanceof ArgumentMismatch ? new ProtocolError(error.message, { cause: error }) : error;
  }
}

export type BoundRequest =
  | { ok: true; contract: ServiceContract; methodName: string; result: Shape; params: unknown[]; incoming: IncomingStream[] }
  | { ok: false; error: ResponseError; incoming: IncomingStream[] };

/**
 * Finds service and method of a request and decodes its arguments; `incoming` names the streams whose frames follow in either case.
 * Services are matched exactly and methods ignoring case, as agents do.
 */
export function bindRequest(
  request: Request,
  contracts: ReadonlyMap<string, ServiceContract>,
  knownTypes: ReadonlySet<string>,
  streamsPerMessageMax: number,
): BoundRequest {
  const refuse = (error: ResponseError): BoundRequest => {
    const context: DecodeContext = { incoming: [], knownTypes, streamsPerMessageMax };
    collectStreams(request.params, context);
    return { ok: false, error, incoming: context.incoming };
  };
  const contract = request.service === null ? undefined : contracts.get(request.service);
  if (contract === undefined) return refuse(serviceNotFound(request.service));
  const wanted = (request.method ?? "").toLowerCase();
  const methodName = Object.keys(contract.methods).find((name) => name.toLowerCase() === wanted);
  if (methodName === undefined) return refuse(methodNotFound(contract.name, request.method));
  const declared = contract.methods[methodName]!;
  const what = `${contract.name}.${methodName}`;
  if (declared.params.length !== request.params.length)
    return refuse(argumentsDoNotFit(what, `it takes ${declared.params.length} arguments, not ${request.params.length}.`));
  const context: DecodeContext = { incoming: [], knownTypes, streamsPerMessageMax };
  try {
    const params = declared.params.map((shape, index) =>
      decodeValue(shape, request.params[index], true, context, `Argument ${index + 1} of ${what}`),
    );
    return { ok: true, contract, methodName, result: declared.result, params, incoming: context.incoming };
  } catch (error) {
    if (error instanceof ArgumentMismatch) return refuse(argumentsDoNotFit(what, error.message));
    throw error;
  }
}

/** The words of a current agent, by which callers know an agent that is too old for a service. */
function serviceNotFound(service: string | null): ResponseError {
  const message = `Error: ${service ?? "(none)"} has not been registered through an IAutofacServiceSource`;
  return { message, details: `Octopus.Tentacle.Communications.UnknownServiceNameException: ${message}`, halibutErrorType: null };
}

function methodNotFound(service: string, method: string | null): ResponseError {
  const halibutErrorType = `${EXCEPTIONS}MethodNotFoundHalibutClientException`;
  const message = `Method ${service}::${method ?? "(none)"}Async not found`;
  return { message, details: `${halibutErrorType}: ${message}`, halibutErrorType };
}

function argumentsDoNotFit(what: string, why: string): ResponseError {
  const halibutErrorType = `${EXCEPTIONS}AmbiguousMethodMatchHalibutClientException`;
  const message = `The arguments fit no method ${what}: ${why}`;
  return { message, details: `${halibutErrorType}: ${message}`, halibutErrorType };
}

/** The error response for something thrown by a service's method. No stack trace: the peer has no use for our file names. */
export function serviceThrew(thrown: unknown): ResponseError {
  const name = thrown instanceof Error ? thrown.name : typeof thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { message, details: `${SERVICE_THREW}\n ---> ${name}: ${message}`, halibutErrorType: null };
}

/** A received error as the error that the caller of a method sees. */
export function callErrorFrom(error: ResponseError, what: string): HalibutCallError {
  const { message, details, halibutErrorType } = error;
  const kind = failureKind(error);
  const text = kind === "service-failed" ? message || halibutErrorType || "The service failed without a message." : message;
  return new HalibutCallError(kind, `${what}: ${text}`, { requestMayHaveArrived: true, details });
}

/** The types that .NET peers name, by what they mean to a caller. */
const failureKinds: ReadonlyMap<string | null, "service-not-found" | "method-not-found" | "service-failed"> = new Map([
  [`${EXCEPTIONS}ServiceNotFoundHalibutClientException`, "service-not-found"],
  [`${EXCEPTIONS}MethodNotFoundHalibutClientException`, "method-not-found"],
  [`${EXCEPTIONS}AmbiguousMethodMatchHalibutClientException`, "method-not-found"],
  [`${EXCEPTIONS}NoMatchingServiceOrMethodHalibutClientException`, "method-not-found"],
  [`${EXCEPTIONS}ServiceInvocationHalibutClientException`, "service-failed"],
]);

function failureKind({ message, details, halibutErrorType }: ResponseError): "service-not-found" | "method-not-found" | "service-failed" {
  const known = failureKinds.get(halibutErrorType);
  if (known !== undefined) return known;
  if (details?.startsWith(SERVICE_THREW)) return "service-failed";
  if (message.startsWith("Service not found: ")) return "service-not-found";
  if (message.startsWith("Service ") && message.endsWith(" not found")) return "method-not-found";
  if (details?.startsWith("System.Reflection.AmbiguousMatchException: ")) return "method-not-found";
  if (/UnknownServiceNameException|NotRegistered/.test(`${message}\n${details ?? ""}`)) return "service-not-found";
  return "service-failed";
}

function ownMethod(contract: ServiceContract, method: string): { params: readonly Shape[]; result: Shape } | undefined {
  return Object.hasOwn(contract.methods, method) ? contract.methods[method] : undefined;
}
