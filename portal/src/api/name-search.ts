// What has a name that contains a text: projects, releases, environments, targets and tasks, a few of each, and what an id leads to. Each kind is a
// query of its own, so that one that is slow, or refused, holds none of the others back.

import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { Deployment, Environment, Machine, Page, Project, Release, ServerTask, ServerTaskPage } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { ApiError, api, path, withQuery } from "./request.ts";

export type FoundKind = "project" | "release" | "environment" | "target" | "task";

export interface Found {
  kind: FoundKind;
  id: string;
  name: string;
  /** Whose it is, or how it stands. */
  detail: string;
  /** The id that led to it, which may stand nowhere in its name. */
  of?: string;
}

/** Of each kind. Who sees none of theirs types another letter. */
export const foundMax = 5;
/** Descriptions of tasks are many and long; shorter texts are in nearly all of them. */
const taskCharactersMin = 3;
export const textCharactersMax = 200;
const knownIds = /^(ServerTasks|Deployments|Releases|Projects|Machines|Environments)-\w+$/i;

type Ask = (space: string, text: string, signal: AbortSignal) => Promise<Found[]>;

const named =
  <T extends { Id: string; Name: string }>(kind: FoundKind, collection: string, detailOf: (one: T) => string): Ask =>
  async (space, text, signal) => {
    const { Items } = await api.get<Page<T>>(withQuery(`${path`/${space}/`}${collection}`, { partialName: text, take: foundMax }), {
      signal,
    });
    return Items.map((one) => ({ kind, id: one.Id, name: one.Name, detail: detailOf(one) }));
  };

const releases: Ask = async (space, text, signal) => {
  const page = await api.get<Page<Release>>(withQuery(path`/${space}/releases`, { searchByVersion: text, take: foundMax }), { signal });
  if (page.Items.length === 0) return [];
  const ids = [...new Set(page.Items.map(({ ProjectId }) => ProjectId))];
  const projects = await api.get<Page<Project>>(withQuery(path`/${space}/projects`, { ids, take: foundMax }), { signal });
  const names = new Map(projects.Items.map(({ Id, Name }) => [Id, Name]));
  return page.Items.map(({ Id, Version, ProjectId }) => ({
    kind: "release",
    id: Id,
    name: Version,
    detail: names.get(ProjectId) ?? ProjectId,
  }));
};

const tasks: Ask = async (space, text, signal) => {
  if (text.length < taskCharactersMin) return [];
  const { Items } = await api.get<ServerTaskPage>(withQuery(path`/${space}/tasks`, { partialName: text, take: foundMax }), { signal });
  return Items.map(foundTask);
};

const foundTask = ({ Id, Description, State }: ServerTask): Found => ({
  kind: "task",
  id: Id,
  name: Description,
  detail: `${State}, ${Id}`,
});

/** An id leads to its document, also where no name contains it. */
const byId: Ask = async (space, text, signal) => {
  const word = knownIds.exec(text)?.[1]?.toLowerCase();
  if (word === undefined) return [];
  try {
    if (word === "servertasks") return [foundTask(await api.get<ServerTask>(path`/${space}/tasks/${text}`, { signal }))];
    if (word === "deployments") {
      const { TaskId } = await api.get<Deployment>(path`/${space}/deployments/${text}`, { signal });
      return [foundTask(await api.get<ServerTask>(path`/${space}/tasks/${TaskId}`, { signal }))];
    }
    if (word === "releases") {
      const { Id, Version } = await api.get<Release>(path`/${space}/releases/${text}`, { signal });
      return [{ kind: "release", id: Id, name: Version, detail: Id }];
    }
    const kind = word === "projects" ? "project" : word === "machines" ? "target" : "environment";
    const { Id, Name } = await api.get<Project | Machine | Environment>(`${path`/${space}/`}${word}/${encodeURIComponent(text)}`, {
      signal,
    });
    return [{ kind, id: Id, name: Name, detail: Id }];
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return [];
    throw error;
  }
};

const kinds: Readonly<Record<string, Ask>> = {
  id: async (space, text, signal) => (await byId(space, text, signal)).map((one) => ({ ...one, of: text })),
  project: named<Project>("project", "projects", ({ Description }) => Description),
  environment: named<Environment>("environment", "environments", ({ Description }) => Description),
  target: named<Machine>("target", "machines", ({ Roles, HealthStatus }) => [HealthStatus, ...Roles].join(", ")),
  release: releases,
  task: tasks,
};

/** One query for each kind; none asks while there is no text. */
export const foundQueries = (space: string, text: string) =>
  Object.entries(kinds).map(([kind, ask]) =>
    queryOptions({
      queryKey: keyOf("found", space, kind, text),
      queryFn: ({ signal }): Promise<Found[]> => ask(space, text, signal),
      enabled: text !== "",
      retry: false,
      // What was found for the letters before stays until there is more to say; the palette drops what does not fit any more.
      placeholderData: keepPreviousData,
    }),
  );
