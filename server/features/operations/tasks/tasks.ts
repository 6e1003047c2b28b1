// Tasks as people and scripts watch them: lists with counts, cancelling, and the log as a tree and as text; its lines by number, searched
// and live stand in task-logs.ts. The engine runs them.

import { Readable } from "node:stream";
import { Type } from "typebox";
import { page } from "@cuttle/contract/rest/shapes";
import type { Static } from "@cuttle/contract/rest/shapes";
import { ServerTask, ServerTaskBody, ServerTaskDetails, ServerTaskPage, TaskType, TaskWaiting } from "@cuttle/contract/rest/server-tasks";
import { durationText } from "../../../base/duration-text.ts";
import { problem } from "../../../base/problems.ts";
import type { Json, LogFolder, TaskLogFeed, TaskLogIndex } from "../../../engine/tasks/tasks.ts";
import { enqueueTask, readTaskLog, requestCancel } from "../../../engine/tasks/tasks.ts";
import { requirePermission } from "../../../platform/access/access.ts";
import type { Caller } from "../../../platform/access/access.ts";
import type { Database, Queryable } from "../../../platform/database/database.ts";
import { change, created, ok, plainText, read } from "../../../platform/http/http.ts";
import type { EventStreams, Route } from "../../../platform/http/http.ts";
import { acrossSpacesQuery, listQuery, pageOf, pageWanted, readSpacesAsked } from "../../../platform/resources/resources.ts";
import type { Secrets } from "../../../platform/secrets/secrets.ts";
import { findSpaceId } from "../../organization/organization.ts";
import { repeatDeployment } from "../../runs/runs.ts";
import { readHealthArguments, relatedMachinesMax } from "./health-arguments.ts";
import { buildLogTree, rawLogText } from "./log-tree.ts";
import { progressOf } from "./task-progress.ts";
import { taskLogRoutes } from "./task-logs.ts";
import * as store from "./task-read-store.ts";
import type { TaskFilter, TaskRow } from "./task-read-store.ts";
import { whyWaiting } from "./waiting.ts";

export { findTask } from "./task-read-store.ts";

export interface TasksParts {
  database: Database;
  /** Keeps the sensitive answers of a deployment that is repeated. */
  secrets: Secrets;
  logFolder: LogFolder;
  logFeed: TaskLogFeed;
  logIndex: TaskLogIndex;
  eventStreams: EventStreams;
  /** Task names that people may queue themselves; the others come only from their own commands. */
  queueableTasks: readonly string[];
}

const taskTypes: readonly { Id: string; Name: string }[] = [
  { Id: "Deploy", Name: "Deploy" },
  { Id: "Health", Name: "Check health" },
  { Id: "Retention", Name: "Apply retention policies" },
  { Id: "SweepSharedFolder", Name: "Sweep the shared folder" },
];

/** Tasks that people may run again once they have ended. */
const repeatable: ReadonlySet<string> = new Set(["Deploy", "Health"]);

/** As much as a task of ours ever needs; larger arguments belong into rows of their own. */
const argumentsCharactersMax = 100_000;

function present(row: TaskRow) {
  const base = row.space_id === null ? "/api" : `/api/${row.space_id}`;
  const self = `${base}/tasks/${row.id}`;
  const isCompleted = row.completed_at !== null;
  const forClients = Object.fromEntries(
    Object.entries(row.arguments).map(([name, value]) => [name.charAt(0).toUpperCase() + name.slice(1), value]),
  );
  return {
    Id: row.id,
    SpaceId: row.space_id,
    ProjectId: row.project_id,
    Name: row.name,
    Description: row.description,
    Arguments: forClients,
    State: row.state,
    Completed: isCompleted ? row.completed_at!.toUTCString() : null,
    QueueTime: row.queued_at,
    QueueTimeExpiry: row.expires_at,
    StartTime: row.started_at,
    LastUpdatedTime: row.completed_at ?? row.started_at ?? new Date(Math.min(row.queued_at.getTime(), Date.now())),
    CompletedTime: row.completed_at,
    ServerNode: row.server_node === null ? null : `OctopusServerNodes-${row.server_node}`,
    Duration: row.lasted_s === null ? null : durationText(row.lasted_s),
    ErrorMessage: row.error_message,
    HasBeenPickedUpByProcessor: row.started_at !== null,
    IsCompleted: isCompleted,
    FinishedSuccessfully: row.state === "Success",
    HasPendingInterruptions: row.pending_interruptions.length > 0,
    PendingInterruptionTypes: row.pending_interruptions,
    HasWarningsOrErrors: row.has_warnings_or_errors,
    CanRerun: isCompleted && repeatable.has(row.name),
    Links: {
      Self: self,
      Details: `${self}/details{?verbose,tail}`,
      Raw: `${self}/raw`,
      LogLines: `${self}/log/lines{?from,take,block}`,
      LogSearch: `${self}/log/search{?text,level,matchCase,wholeWord,block,from,take}`,
      LogEvents: `${self}/log/events{?lastEventId}`,
      Cancel: `${self}/cancel`,
      ...(isCompleted && repeatable.has(row.name) ? { Rerun: `${base}/tasks/rerun/${row.id}` } : {}),
      QueuedBehind: `${self}/queued-behind{?skip,take}`,
      Waiting: `${self}/waiting`,
      Artifacts: `${base}/artifacts?regarding=${row.id}`,
      Interruptions: `${base}/interruptions?regarding=${row.id}`,
      Web: `/app#/${row.space_id ?? "system"}/tasks/${row.id}`,
    },
  };
}

const texts = Type.Optional(Type.Array(Type.String()));
const query = Type.Object({
  ...listQuery,
  ...acrossSpacesQuery,
  active: Type.Optional(Type.Boolean()),
  running: Type.Optional(Type.Boolean()),
  states: texts,
  name: texts,
  node: Type.Optional(Type.String()),
  environment: Type.Optional(Type.String()),
  project: Type.Optional(Type.String()),
  partialName: Type.Optional(Type.String()),
  regarding: Type.Optional(Type.String()),
  hasWarningsOrErrors: Type.Optional(Type.Boolean()),
  hasPendingInterruptions: Type.Optional(Type.Boolean()),
});

function filterOf(wanted: Static<typeof query>, space: { id: string } | undefined): TaskFilter {
  return { ...wanted, names: wanted.name, spaceId: space?.id, spaces: readSpacesAsked(space, wanted) };
}

/**
 * Clients that work in a space queue its tasks at the address of all of them, and name the space in the task.
 * @throws Problem 400, 403
 */
async function spaceOfNewTask(tx: Queryable, caller: Caller, space: { id: string }, named: string | null | undefined): Promise<string> {
  if (!named || named.toLowerCase() === space.id.toLowerCase()) return space.id;
  const id = await findSpaceId(tx, named);
  if (id === undefined) throw problem.invalid(`There is no space '${named}'.`);
  requirePermission(caller, "TaskCreate", { spaceId: id });
  return id;
}

async function getTask(db: Queryable, space: { id: string } | undefined, id: string): Promise<TaskRow> {
  const row = await store.findTask(db, space?.id, id);
  if (row === undefined) throw problem.notFound("task", id);
  return row;
}

const nothingCounted = { Queued: 0, Executing: 0, Cancelling: 0, Success: 0, Failed: 0, Canceled: 0, TimedOut: 0, Interrupted: 0 };

/** Tasks of machines: `/machines/{id}/tasks`. */
function tasksBelow(path: string): Route {
  return read({
    path: `/${path}/{id}/tasks`,
    scope: "space",
    permission: "TaskView",
    query: Type.Object({ ...listQuery, type: Type.Optional(Type.String()) }),
    answer: page(ServerTask),
    handler: async ({ db, space, params, query: wanted }) => {
      const { id } = params as { id: string };
      const window = pageWanted(wanted);
      const { rows, total } = await store.listTasks(
        db,
        { spaceId: space.id, regarding: id, names: wanted.type ? [wanted.type] : undefined },
        window,
      );
      return ok(
        pageOf({
          itemType: "Task",
          items: rows.map(present),
          total,
          wanted: window,
          path: `/api/${space.id}/${path}/${encodeURIComponent(id)}/tasks`,
          query: wanted,
        }),
      );
    },
  });
}

export function taskRoutes(parts: TasksParts): Route[] {
  const entriesOf = (taskId: string) => readTaskLog({ database: parts.database, folder: parts.logFolder, taskId });
  return [
    read({
      path: "/tasks",
      scope: "either",
      permission: "TaskView",
      query,
      answer: ServerTaskPage,
      handler: async ({ db, space, query: wanted }) => {
        const window = pageWanted(wanted);
        const filter = filterOf(wanted, space);
        const { rows, total } = await store.listTasks(db, filter, window);
        const path = space === undefined ? "/api/tasks" : `/api/${space.id}/tasks`;
        return ok({
          ...pageOf({ itemType: "Task", items: rows.map(present), total, wanted: window, path, query: wanted }),
          TotalCounts: { ...nothingCounted, ...(await store.countByState(db, filter)) },
          TotalCountsInOtherSpaces: {},
        });
      },
    }),
    read({
      path: "/tasks/tasktypes",
      scope: "either",
      permission: "TaskView",
      answer: Type.Array(TaskType),
      handler: async () => ok(taskTypes),
    }),
    read({
      path: "/tasks/{id}",
      scope: "either",
      permission: "TaskView",
      answer: ServerTask,
      handler: async ({ db, space, params }) => ok(present(await getTask(db, space, params.id))),
    }),
    read({
      path: "/tasks/{id}/details",
      scope: "either",
      permission: "TaskView",
      query: Type.Object({
        verbose: Type.Optional(Type.Boolean()),
        tail: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
      }),
      answer: ServerTaskDetails,
      handler: async ({ db, space, params, query: wanted }) => {
        const row = await getTask(db, space, params.id);
        const tree = await buildLogTree(entriesOf(row.id), row.id, { tail: wanted.tail, verbose: wanted.verbose ?? false });
        const task = present(row);
        const steps = tree.roots.flatMap((root) => root.Children);
        const planned = await store.listPlannedParts(db, row.id);
        return ok({
          Id: null,
          Task: task,
          ActivityLogs: tree.roots,
          PhysicalLogSize: Math.min(tree.textBytes, 2_147_483_647),
          Progress: progressOf(
            planned,
            steps,
            { id: task.Id, isCompleted: task.IsCompleted, isInterrupted: task.HasPendingInterruptions },
            Date.now(),
          ),
          Links: { Self: `${task.Links.Self}/details`, Task: task.Links.Self },
        });
      },
    }),
    read({
      path: "/tasks/{id}/raw",
      scope: "either",
      permission: "TaskView",
      answer: "text",
      handler: async ({ db, space, params }) => {
        const row = await getTask(db, space, params.id);
        const head = [
          `Task ID:        ${row.id}`,
          `Task status:    ${row.state}`,
          `Task queued:    ${row.queued_at.toISOString()}`,
          `Description:    ${row.description}`,
          "",
          "",
        ].join("\n");
        return plainText(
          Readable.from(
            (async function* () {
              yield head;
              yield* rawLogText(entriesOf(row.id));
            })(),
          ),
        );
      },
    }),
    read({
      path: "/tasks/{id}/queued-behind",
      scope: "either",
      permission: "TaskView",
      query: Type.Object(listQuery),
      answer: page(ServerTask),
      handler: async ({ db, space, params, query: wanted }) => {
        const row = await getTask(db, space, params.id);
        const window = pageWanted(wanted);
        const { rows, total } = await store.listTasksAhead(db, row, window);
        const path = `/api/${row.space_id === null ? "" : `${row.space_id}/`}tasks/${row.id}/queued-behind`;
        return ok(pageOf({ itemType: "Task", items: rows.map(present), total, wanted: window, path, query: wanted }));
      },
    }),
    read({
      path: "/tasks/{id}/waiting",
      scope: "either",
      permission: "TaskView",
      answer: TaskWaiting,
      handler: async ({ db, space, params }) => {
        const row = await getTask(db, space, params.id);
        const reasons = await whyWaiting(db, row);
        const { Self } = present(row).Links;
        return ok({
          TaskId: row.id,
          State: row.state,
          IsWaiting: reasons.length > 0,
          Reasons: reasons,
          Links: { Self: `${Self}/waiting`, Task: Self },
        });
      },
    }),
    change({
      method: "POST",
      path: "/tasks",
      scope: "space",
      permission: "TaskCreate",
      body: ServerTaskBody,
      answer: ServerTask,
      handler: async ({ tx, space, caller, actor, body }) => {
        const name = parts.queueableTasks.find((one) => one.toLowerCase() === body.Name.trim().toLowerCase());
        if (name === undefined)
          throw problem.invalid(
            `Tasks named '${body.Name}' cannot be queued like this. Possible are: ${parts.queueableTasks.join(", ") || "none yet"}.`,
          );
        const wanted = (body.Arguments ?? {}) as { [key: string]: Json };
        if (JSON.stringify(wanted).length > argumentsCharactersMax)
          throw problem.invalid(`Arguments are longer than the limit of ${argumentsCharactersMax} characters.`);
        const spaceId = await spaceOfNewTask(tx, caller, space, body.SpaceId);
        const health = name === "Health" ? await readHealthArguments(tx, spaceId, wanted) : undefined;
        const id = await enqueueTask(tx, {
          spaceId,
          name,
          description: body.Description?.trim() || name,
          arguments: health ?? wanted,
          argumentsVersion: 1,
          concurrencyTag: null,
          actor,
          // So that it stands among the tasks of each machine, as a check that the server asked for does.
          ...(health === undefined ? {} : { relatedDocumentIds: health.machineIds.slice(0, relatedMachinesMax) }),
        });
        return created(present(await getTask(tx, undefined, id)));
      },
    }),
    change({
      method: "POST",
      path: "/tasks/{id}/cancel",
      scope: "either",
      permission: "TaskCancel",
      answer: ServerTask,
      handler: async ({ tx, space, actor, params }) => {
        const row = await getTask(tx, space, params.id);
        await requestCancel(tx, row.id, actor);
        return ok(present(await getTask(tx, space, row.id)));
      },
    }),
    ...taskLogRoutes(parts),
    change({
      method: "POST",
      path: "/tasks/rerun/{id}",
      scope: "either",
      permission: "TaskCreate",
      answer: ServerTask,
      handler: async ({ tx, space, caller, actor, params }) => {
        const row = await getTask(tx, space, params.id);
        if (!repeatable.has(row.name))
          throw problem.invalid(`Tasks named '${row.name}' cannot be run again; the server makes them itself.`);
        if (row.completed_at === null) throw problem.invalid(`The task ${row.id} has not ended yet. Wait for it or cancel it first.`);
        const id =
          row.name === "Deploy"
            ? (await repeatDeployment(tx, caller, row.id, parts.secrets)).task_id
            : await enqueueTask(tx, {
                spaceId: row.space_id,
                name: row.name,
                description: row.description,
                arguments: row.arguments as { [key: string]: Json },
                argumentsVersion: row.arguments_version,
                concurrencyTag: null,
                actor,
                relatedDocumentIds: row.related_document_ids,
              });
        return ok(present(await getTask(tx, undefined, id)));
      },
    }),
    tasksBelow("machines"),
  ];
}
