// From the address a client used to the one our routes are written in: virtual directory and space taken off, method override
// obeyed. /api/projects, /api/Spaces-1/projects and /api/spaces/Spaces-1/projects become one path and a space.

import type { IncomingMessage } from "node:http";

/** The path of a space's own root document after rewriting; no client can spell it, since "~" reads as a space name. */
export const spaceHomePath = "/api/~";

export interface Address {
  /** Path and query our router sees. */
  url: string;
  /** Decoded id or slug of the space in the address; undefined when none was given. */
  space: string | undefined;
  /** Virtual directory the request came through, for links; empty without one. */
  linkPrefix: string;
}

export interface AddressParts {
  /** First segments of all routes, lower case; whatever else stands first is a space. */
  collections: ReadonlySet<string>;
  /** First segments of the routes inside a space, lower case. */
  spaceCollections: ReadonlySet<string>;
  virtualDirectories: ReadonlySet<string>;
}

export function readAddress(rawUrl: string, parts: AddressParts): Address {
  const mark = rawUrl.indexOf("?");
  let path = mark < 0 ? rawUrl : rawUrl.slice(0, mark);
  const query = mark < 0 ? "" : rawUrl.slice(mark);
  let linkPrefix = "";
  for (const directory of parts.virtualDirectories) {
    if (directory === "") continue;
    const start = directory.toLowerCase();
    if (path.toLowerCase() === start || path.toLowerCase().startsWith(`${start}/`)) {
      linkPrefix = directory;
      path = path.slice(directory.length);
      break;
    }
  }
  if (path.length > 1 && path.endsWith("/")) path = path.replace(/\/+$/, "");
  const segments = path.split("/");
  // NuGet clients are given /nuget/… and /Spaces-1/nuget/…, beside /api.
  if (segments[1]?.toLowerCase() === "nuget") segments.splice(1, 0, "api");
  else if (segments[2]?.toLowerCase() === "nuget" && segments[1]?.toLowerCase() !== "api") segments.splice(1, 0, "api");
  if (segments[1]?.toLowerCase() !== "api") return { url: (path || "/") + query, space: undefined, linkPrefix };
  const inside = segments.slice(2);
  const first = decoded(inside[0])?.toLowerCase();
  if (first === undefined) return { url: `/api${query}`, space: undefined, linkPrefix };
  const third = decoded(inside[2])?.toLowerCase();
  if (first === "spaces" && third !== undefined && parts.spaceCollections.has(third)) {
    return { url: `/api/${inside.slice(2).join("/")}${query}`, space: decoded(inside[1]) ?? "", linkPrefix };
  }
  if (parts.collections.has(first)) return { url: `/api/${inside.join("/")}${query}`, space: undefined, linkPrefix };
  const rest = inside.slice(1);
  return { url: (rest.length === 0 ? spaceHomePath : `/api/${rest.join("/")}`) + query, space: decoded(inside[0]) ?? "", linkPrefix };
}

function decoded(segment: string | undefined): string | undefined {
  if (segment === undefined || !segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** The .NET client sends PUT and DELETE as POST with a header. Only these two may be asked for, and only by POST. */
export function obeyMethodOverride(request: IncomingMessage): void {
  if (request.method !== "POST") return;
  const wanted = request.headers["x-http-method-override"];
  const method = (Array.isArray(wanted) ? wanted[0] : wanted)?.trim().toUpperCase();
  if (method === "PUT" || method === "DELETE") request.method = method;
}
