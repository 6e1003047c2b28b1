// The nodes of the cluster: task cap, draining, who runs what, and the ping of load balancers.

import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import {
  ServerNode as NodeShape,
  ServerNodeBody,
  ServerNodeDetails,
  ServerNodesSummary,
  ServerNodeSummary,
} from "@cuttle/contract/rest/server-nodes";
import { problem } from "../../../base/problems.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import { deleteNode, findNode, listNodes, offlineAfterMs, updateNode } from "../../../platform/cluster/cluster.ts";
import type { Fitness, ServerNode } from "../../../platform/cluster/cluster.ts";
import type { Queryable } from "../../../platform/database/database.ts";
import { change, nothing, ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { listQuery, pageOf, pageWanted } from "../../../platform/resources/resources.ts";
import { countRunningTasks, listRunningTasks } from "./node-task-store.ts";

export { listRunningTasks };

export interface NodesParts {
  /** The name of the node that answers. */
  nodeName: string;
  fitness: Pick<Fitness, "look">;
  /** A node's record was changed through this node; it should look at its own at once. */
  nodeChanged: () => void;
}

/** More than any machine can run; a larger cap is a typing mistake. */
const taskCapMax = 10_000;

function present(node: ServerNode) {
  const self = `/api/octopusservernodes/${encodeURIComponent(node.id)}`;
  return {
    Id: node.id,
    Name: node.name,
    MaxConcurrentTasks: node.taskCap,
    IsInMaintenanceMode: node.isInMaintenanceMode,
    Links: { Self: self, Node: self, Details: `${self}/details` },
  };
}

function presentSummary(node: ServerNode, running: ReadonlyMap<string, number>) {
  return {
    ...present(node),
    LastSeen: node.lastSeenAt,
    // Every node does every kind of work, so none of them leads.
    Rank: "Follower",
    IsLeader: false,
    IsOffline: node.isOffline,
    Impairments: node.isOffline ? [] : node.impairments,
    CommsAddress: node.commsAddress,
    RunningTaskCount: running.get(node.name.toLowerCase()) ?? 0,
  };
}

async function getNode(db: Queryable, id: string): Promise<ServerNode> {
  const node = await findNode(db, id, offlineAfterMs);
  if (node === undefined) throw problem.notFound("server node", id);
  return node;
}

const query = Type.Object({ ...listQuery, partialName: Type.Optional(Type.String()) });

export function nodeRoutes(parts: NodesParts): Route[] {
  return [
    read({
      path: "/octopusservernodes",
      scope: "system",
      permission: "ConfigureServer",
      query,
      answer: page(NodeShape),
      handler: async ({ db, query: wanted }) => {
        const ids = wanted.ids?.map((id) => id.toLowerCase());
        const found = (await listNodes(db, offlineAfterMs)).filter(
          (node) =>
            (!ids?.length || ids.includes(node.id.toLowerCase())) &&
            (!wanted.partialName || node.name.toLowerCase().includes(wanted.partialName.toLowerCase())),
        );
        const window = pageWanted(wanted);
        const items = found.slice(window.skip, window.skip + window.take).map(present);
        return ok(
          pageOf({
            itemType: "OctopusServerNode",
            items,
            total: found.length,
            wanted: window,
            path: "/api/octopusservernodes",
            query: wanted,
          }),
        );
      },
    }),
    read({
      path: "/octopusservernodes/all",
      scope: "system",
      permission: "ConfigureServer",
      answer: Type.Array(NodeShape),
      handler: async ({ db }) => ok((await listNodes(db, offlineAfterMs)).map(present)),
    }),
    read({
      path: "/octopusservernodes/ping",
      scope: "system",
      permission: "anyone",
      query: Type.Object({ drained: Type.Optional(Type.Integer({ minimum: 400, maximum: 499 })) }),
      answer: ServerNodeSummary,
      handler: async ({ db, query: wanted }) => {
        // Before anything is asked of a database that may hang: a balancer has to hear it in time.
        const findings = await parts.fitness.look();
        const away = findings.filter((one) => one.state === "failing" || one.state === "late").map((one) => one.name);
        if (away.length > 0) throw problem.unavailable(`This node cannot work now (${away.join(", ")}). Ask another one.`);
        const own = (await listNodes(db, offlineAfterMs)).find((node) => node.name.toLowerCase() === parts.nodeName.toLowerCase());
        if (own === undefined) throw problem.unavailable("This node is not registered in its cluster yet.");
        // It answers, so it is not offline, however late its last report is. A node about to stop is on its way out like a drained one;
        // some balancers let requests under way end only for a status of their own choice.
        const takesWork = !own.isInMaintenanceMode && findings.every((one) => one.state === "ok");
        return { status: takesWork ? 200 : (wanted.drained ?? 418), body: presentSummary(own, await countRunningTasks(db)) };
      },
    }),
    read({
      path: "/octopusservernodes/summary",
      scope: "system",
      permission: "ConfigureServer",
      answer: ServerNodesSummary,
      handler: async ({ db }) => {
        const running = await countRunningTasks(db);
        return ok({
          Nodes: (await listNodes(db, offlineAfterMs)).map((node) => presentSummary(node, running)),
          Links: { Self: "/api/octopusservernodes/summary" },
        });
      },
    }),
    read({
      path: "/octopusservernodes/{id}",
      scope: "system",
      permission: "ConfigureServer",
      answer: NodeShape,
      handler: async ({ db, params }) => ok(present(await getNode(db, params.id))),
    }),
    read({
      path: "/octopusservernodes/{id}/details",
      scope: "system",
      permission: "ConfigureServer",
      answer: ServerNodeDetails,
      handler: async ({ db, params }) => {
        const node = await getNode(db, params.id);
        const tasks = await listRunningTasks(db, node.name);
        return ok({
          Id: node.id,
          RunningTasks: tasks.length,
          Tasks: tasks.map((task) => ({
            Id: task.id,
            Name: task.name,
            Description: task.description,
            State: task.state,
            Links: { Self: `/api/${task.space_id === null ? "" : `${task.space_id}/`}tasks/${task.id}` },
          })),
          Links: { Self: `${present(node).Links.Self}/details`, Node: present(node).Links.Self },
        });
      },
    }),
    change({
      method: "PUT",
      path: "/octopusservernodes/{id}",
      scope: "system",
      permission: "ConfigureServer",
      body: ServerNodeBody,
      answer: NodeShape,
      handler: async ({ tx, actor, params, body }) => {
        const node = await getNode(tx, params.id);
        const wanted = {
          taskCap: body.MaxConcurrentTasks ?? node.taskCap,
          isInMaintenanceMode: body.IsInMaintenanceMode ?? node.isInMaintenanceMode,
        };
        if (wanted.taskCap > taskCapMax) throw problem.invalid(`MaxConcurrentTasks must be at most ${taskCapMax}.`);
        await updateNode(tx, node.id, wanted);
        await recordEvent(tx, {
          spaceId: null,
          category: "Modified",
          actor,
          message: `Node ${node.name} was changed: up to ${wanted.taskCap} tasks, ${wanted.isInMaintenanceMode ? "draining" : "taking tasks"}`,
          relatedDocumentIds: [node.id],
        });
        tx.afterCommit(parts.nodeChanged);
        return ok(present(await getNode(tx, node.id)));
      },
    }),
    change({
      method: "DELETE",
      path: "/octopusservernodes/{id}",
      scope: "system",
      permission: "ConfigureServer",
      answer: "nothing",
      handler: async ({ tx, actor, params }) => {
        const node = await getNode(tx, params.id);
        if (!node.isOffline) throw problem.invalid(`The node '${node.name}' is running. Stop it before you delete it.`);
        await deleteNode(tx, node.id);
        await recordEvent(tx, {
          spaceId: null,
          category: "Deleted",
          actor,
          message: `Node ${node.name} was deleted`,
          relatedDocumentIds: [node.id],
        });
        return nothing();
      },
    }),
  ];
}
