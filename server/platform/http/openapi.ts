// The OpenAPI document, made from the route table itself: what a route says of its path, query, body, answer and permission is what stands here,
// so the two cannot differ. Shapes that have a name become components; everything else stands where it is used.

import type { TSchema } from "@cuttle/contract/rest/shapes";
import type { Route } from "./route.ts";

/** JSON Schema as OpenAPI 3.1 knows it, which is JSON Schema itself. */
type Schema = { [key: string]: unknown };

export interface ApiDescription {
  title: string;
  version: string;
  /** Shapes that become components, by name. */
  shapes: Readonly<Record<string, TSchema>>;
  /** The shape of every refusal. */
  errorShape: TSchema;
}

const spaceParameter = {
  name: "spaceId",
  in: "path",
  required: true,
  description: "Id or slug of the space. Left out with its slash, the default space is meant.",
  schema: { type: "string" },
};

export function describeApi(routes: readonly Route[], description: ApiDescription): object {
  const names = new Map<unknown, string>(Object.entries(description.shapes).map(([name, shape]) => [shape, name]));
  names.set(description.errorShape, "Error");
  const components: Record<string, Schema> = {};

  function schemaOf(shape: unknown): Schema {
    const name = names.get(shape);
    if (name === undefined) return inline(shape as Schema);
    if (!(name in components)) {
      // Entered first, so that a shape that holds itself ends.
      components[name] = {};
      components[name] = inline(shape as Schema);
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  function inline(shape: Schema): Schema {
    const result: Schema = {};
    for (const [key, value] of Object.entries(shape)) {
      if (key === "properties") {
        result[key] = Object.fromEntries(Object.entries(value as object).map(([name, member]) => [name, schemaOf(member)]));
      } else if (key === "items") result[key] = schemaOf(value);
      else if (key === "anyOf") result[key] = (value as unknown[]).map(schemaOf);
      else if (key === "patternProperties") result["additionalProperties"] = schemaOf(Object.values(value as object)[0]);
      else if (key === "required" && (value as unknown[]).length === 0) continue;
      else result[key] = value;
    }
    if ("enum" in result) result["type"] = "string";
    return result;
  }

  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    for (const path of pathsOf(route)) {
      const inSpace = path.startsWith("/api/{spaceId}");
      (paths[path] ??= {})[route.method.toLowerCase()] = {
        operationId: operationIdOf(route, inSpace),
        tags: [route.path.split("/")[1] || "root"],
        description: permissionText(route),
        "x-permission": route.permission,
        ...(route.permission === "anyone" ? { security: [] } : {}),
        parameters: [
          ...(inSpace ? [spaceParameter] : []),
          ...[...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: "path", required: true, schema: { type: "string" } })),
          ...queryParameters(route.query as Schema | undefined, inline),
        ],
        ...bodyOf(route, schemaOf),
        responses: {
          "2XX": { description: "Done.", ...answerOf(route, schemaOf) },
          default: { description: "Refused; the body says why.", content: json(schemaOf(description.errorShape)) },
        },
      };
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: description.title,
      version: description.version,
      description:
        "Every address with a {spaceId} also answers without it, for the default space, and with /api/spaces/{spaceId} in front. " +
        "Member names in bodies may be in any letter case; unknown members are left out.",
    },
    servers: [{ url: "/" }],
    security: [{ apiKey: [] }, { bearer: [] }, { session: [] }],
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      schemas: Object.fromEntries(Object.entries(components).sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        apiKey: { type: "apiKey", in: "header", name: "X-Octopus-ApiKey" },
        bearer: { type: "http", scheme: "bearer" },
        session: {
          type: "apiKey",
          in: "cookie",
          name: "OctopusIdentificationToken",
          description: "The cookie's name ends with the id of the installation. A change also needs the header X-Octopus-Csrf-Token.",
        },
      },
    },
  };
}

function pathsOf(route: Route): string[] {
  if (route.path.startsWith("/.well-known")) return [route.path];
  if (route.scope === "system") return [`/api${route.path}`];
  return route.scope === "space" ? [`/api/{spaceId}${route.path}`] : [`/api${route.path}`, `/api/{spaceId}${route.path}`];
}

function operationIdOf(route: Route, inSpace: boolean): string {
  const words = route.path.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  const where = route.scope === "either" ? (inSpace ? "InSpace" : "InSystem") : route.path === "" && inSpace ? "SpaceRoot" : "";
  return `${route.method.toLowerCase()}${name || (where === "" ? "Root" : "")}${where}`;
}

function permissionText({ permission }: Route): string {
  if (permission === "anyone") return "Open to anyone.";
  return permission === "signed-in" ? "For whoever is signed in." : `Asks for the permission ${permission}.`;
}

function queryParameters(query: Schema | undefined, inline: (shape: Schema) => Schema): object[] {
  const required = new Set((query?.["required"] as string[] | undefined) ?? []);
  return Object.entries((query?.["properties"] ?? {}) as Record<string, Schema>).map(([name, shape]) => {
    const schema = inline(shape);
    // Lists are joined with commas; several parameters of one name mean the same.
    const asList = schema["type"] === "array" ? { style: "form", explode: false } : {};
    return { name, in: "query", required: required.has(name), ...asList, schema };
  });
}

const json = (schema: Schema) => ({ "application/json": { schema } });
const bytes = { schema: { type: "string", contentMediaType: "application/octet-stream" } };

function bodyOf(route: Route, schemaOf: (shape: unknown) => Schema): object {
  if (route.uploadBytesMax !== undefined) {
    return {
      requestBody: {
        required: true,
        description: `One file of at most ${route.uploadBytesMax} bytes.`,
        content: {
          "multipart/form-data": { schema: { type: "object", properties: { file: bytes.schema } } },
          "application/octet-stream": bytes,
        },
      },
    };
  }
  return route.body === undefined ? {} : { requestBody: { required: true, content: json(schemaOf(route.body)) } };
}

function answerOf(route: Route, schemaOf: (shape: unknown) => Schema): object {
  if (route.answer === "nothing") return {};
  if (route.answer === "text") return { content: { "text/plain": { schema: { type: "string" } } } };
  if (route.answer === "events") return { content: { "text/event-stream": { schema: { type: "string" } } } };
  if (route.answer === "file") return { content: { "application/octet-stream": bytes } };
  return { content: json(schemaOf(route.answer)) };
}
