// The list of routes as a whole: what it must not contain, how its paths look to the router, and what an unknown address means.

import type { FastifyRequest } from "fastify";
import type { Problem } from "../../base/problems.ts";
import { problem } from "../../base/problems.ts";
import { spaceHomePath } from "./address.ts";
import type { Route } from "./route.ts";

/** @throws Error that names the route without a permission or answer, or the address claimed twice */
export function checkRoutes(routes: readonly Route[]): void {
  const seen = new Set<string>();
  for (const route of routes) {
    const title = `${route.method} ${route.path}`;
    if (!route.permission) throw new Error(`The route ${title} names no permission. Name one, or say "signed-in" or "anyone" out loud.`);
    if (!route.answer) throw new Error(`The route ${title} does not say the shape of its answer, so it could let anything out.`);
    const claimed = `${route.method} ${routerPath(route)
      .toLowerCase()
      .replace(/:[a-z]+/g, ":")}`;
    if (seen.has(claimed)) throw new Error(`Two routes claim ${title}.`);
    seen.add(claimed);
  }
}

export function routerPath(route: Route): string {
  if (route.path === "" && route.scope === "space") return spaceHomePath;
  return `${route.path.startsWith("/.well-known") ? "" : "/api"}${route.path.replace(/\{(\w+)\}/g, ":$1")}`;
}

export function firstSegments(routes: readonly Route[]): Set<string> {
  return new Set(routes.map((route) => route.path.split("/")[1]?.toLowerCase()).filter((segment) => segment !== undefined));
}

export function unknownAddress(request: FastifyRequest, routes: readonly Route[]): Problem {
  const path = request.url.split("?")[0]!;
  const original = request.originalUrl.split("?")[0]!;
  const known = routes.some((route) => new RegExp(`^${routerPath(route).replace(/:\w+/g, "[^/]+")}$`, "i").test(path));
  return known ? problem.methodNotAllowed(request.method, original) : problem.notFound("address", original);
}
