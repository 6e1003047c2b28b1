// The API's edge: routes in, a server out. It knows no resource; what a route may do is said by the route itself.

export { createHttpServer, jsonBodyBytesMax } from "./http-server.ts";
export type { HttpServer, HttpServerParts } from "./http-server.ts";
export type { Pages } from "./pages.ts";
export { act, ask, change, created, nothing, ok, plainText, read, upload } from "./route.ts";
export { createEventStreams, eventText } from "./event-streams.ts";
export type { EventStreams, EventStreamsOptions } from "./event-streams.ts";
export type { ByteRange } from "./byte-range.ts";
export { readByteRange } from "./byte-range.ts";
export { describeApi } from "./openapi.ts";
export type { IncomingFile } from "./incoming-file.ts";
export type {
  ActContext,
  Answer,
  AskContext,
  ChangeContext,
  PathParams,
  ReadContext,
  RequestContext,
  Route,
  RouteScope,
  UploadContext,
} from "./route.ts";
export { lasting, timeText } from "./shape-writer.ts";
export { isStorable, jsonDepthMax } from "./json-text.ts";
