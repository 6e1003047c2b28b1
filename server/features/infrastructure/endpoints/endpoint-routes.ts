// Routes that targets and workers both have: the state of the connection, the operating systems and shells in use, and the pages of
// those that belong to something else.

import { Type } from "typebox";
import type { TSchema } from "@cuttle/contract/rest/shapes";
import { page } from "@cuttle/contract/rest/shapes";
import { MachineConnection } from "@cuttle/contract/rest/machines";
import type { PermissionName } from "@cuttle/contract/rest/permissions";
import { findConnections } from "../../../engine/agents/agents.ts";
import type { Queryable } from "../../../platform/database/database.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { listQuery } from "../../../platform/resources/resources.ts";
import type { Document, Resource } from "../../../platform/resources/resources.ts";
import { readAgentAddress } from "./endpoint-rules.ts";

/** What the .NET client, which has no word for "never" here, takes for it. */
const neverChecked = "0001-01-01T00:00:00.000+00:00";

/** What the last check of the connection found, and to which nodes a polling agent is connected now. */
async function presentConnection(db: Queryable, document: Document, path: "machines" | "workers") {
  const agent = readAgentAddress({
    style: document["CommunicationStyle"] as string,
    uri: document["Uri"] as string | null,
    thumbprint: document["Thumbprint"] as string | null,
    proxyId: null,
  });
  const nodes = agent !== undefined && "subscription" in agent ? await findConnections(db, agent) : [];
  const self = `/api/${document.SpaceId}/${path}/${document.Id}`;
  return {
    Id: document.Id,
    MachineId: document.Id,
    Status: document["Status"],
    CurrentTentacleVersion: document["AgentVersion"],
    LastChecked: document["HealthCheckedAt"] ?? neverChecked,
    Logs: [],
    ConnectedNodes: nodes.map((one) => ({ NodeName: one.nodeName, Connections: one.connections, Since: one.since.toISOString() })),
    Links: { Self: `${self}/connection`, Machine: self },
  };
}

/** Routes below `/machines` and `/workers` that both have: connection, and the operating systems and shells in use. */
export function endpointRoutes(resource: Resource, path: "machines" | "workers", permission: "MachineView" | "WorkerView"): Route[] {
  const distinct = (last: "names" | "shells", member: string): Route =>
    read({
      path: `/${path}/operatingsystem/${last}/all`,
      scope: "space",
      permission,
      answer: Type.Array(Type.String()),
      handler: async ({ db, space }) => {
        const found = await resource.all(db, space.id, {});
        return ok([...new Set(found.map((one) => String(one[member])))].sort());
      },
    });
  return [
    read({
      path: `/${path}/{id}/connection`,
      scope: "space",
      permission,
      answer: MachineConnection,
      handler: async ({ db, space, params }) =>
        ok(await presentConnection(db, await resource.get(db, space.id, (params as { id: string }).id), path)),
    }),
    distinct("names", "OperatingSystem"),
    distinct("shells", "ShellName"),
  ];
}

/** A page of the targets or workers that belong to something else: "/environments/{id}/machines". */
export function pageBelow(below: {
  resource: Resource;
  /** Where the owners are: "environments". */
  owners: string;
  path: "machines" | "workers";
  find: (db: Queryable, spaceId: string, id: string) => Promise<Document>;
  /** What a row must be to belong to the owner, whose id is `$?`. */
  sql: string;
  permission: PermissionName;
  item: TSchema;
  filters: Record<string, { type: TSchema }>;
}): Route {
  return read({
    path: `/${below.owners}/{id}/${below.path}`,
    scope: "space",
    permission: below.permission,
    query: Type.Object({
      ...listQuery,
      partialName: Type.Optional(Type.String()),
      ...Object.fromEntries(Object.entries(below.filters).map(([name, { type }]) => [name, Type.Optional(type)])),
    }),
    answer: page(below.item),
    handler: async ({ db, space, params, query }) => {
      const owner = await below.find(db, space.id, (params as { id: string }).id);
      return ok(
        await below.resource.list(db, space.id, query, {
          path: `/api/${space.id}/${below.owners}/${owner.Id}/${below.path}`,
          where: [{ sql: below.sql, values: [owner.Id] }],
        }),
      );
    },
  });
}
