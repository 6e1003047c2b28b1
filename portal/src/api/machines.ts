// Deployment targets: the list by pages, one of them with its connection, checks of health, and who answers at an address.

import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { DiscoveredMachine, Machine, MachineBody, MachineConnection, Page, ServerTask, ServerTaskPage } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path, withQuery } from "./request.ts";

/** As many as are shown at once. */
export const machinesPerPage = 50;
const recentTasksShown = 5;
/** To which nodes a polling agent is connected changes without a document that changes. */
const connectionMs = 15_000;

export const healthStates = ["Healthy", "HasWarnings", "Unhealthy", "Unavailable", "Unknown"] as const;
export type HealthState = (typeof healthStates)[number];

export interface MachineFilter {
  /** A part of the name. */
  q?: string;
  environment?: string;
  role?: string;
  health?: HealthState;
  disabled?: boolean;
  /** From 1 on. */
  page?: number;
}

export const machinesPageQuery = (space: string, filter: MachineFilter) =>
  queryOptions({
    queryKey: keyOf("machines", space, filter),
    queryFn: ({ signal }) =>
      api.get<Page<Machine>>(
        withQuery(path`/${space}/machines`, {
          partialName: filter.q,
          environmentIds: filter.environment,
          roles: filter.role,
          healthStatuses: filter.health,
          isDisabled: filter.disabled,
          skip: ((filter.page ?? 1) - 1) * machinesPerPage,
          take: machinesPerPage,
        }),
        { signal },
      ),
    // What a check finds is written with its task, not as a change of the machine by somebody.
    meta: { changesOf: ["Machines", "ServerTasks"] },
    // What was shown stays until the next page is there; another space's never does.
    placeholderData: (before, query) => (query?.queryKey[1] === space ? keepPreviousData(before) : undefined),
  });

/** By id or slug. */
export const machineQuery = (space: string, machine: string) =>
  queryOptions({
    queryKey: keyOf("machine", space, machine),
    queryFn: ({ signal }) => api.get<Machine>(path`/${space}/machines/${machine}`, { signal }),
    meta: { changesOf: ["Machines", "ServerTasks"] },
  });

export const machineConnectionQuery = (space: string, machine: string) =>
  queryOptions({
    queryKey: keyOf("machine-connection", space, machine),
    queryFn: ({ signal }) => api.get<MachineConnection>(path`/${space}/machines/${machine}/connection`, { signal }),
    meta: { changesOf: [machine, "ServerTasks"] },
    refetchInterval: connectionMs,
  });

export const machineTasksQuery = (space: string, machine: string) =>
  queryOptions({
    queryKey: keyOf("machine-tasks", space, machine),
    queryFn: ({ signal }) =>
      api.get<ServerTaskPage>(withQuery(path`/${space}/machines/${machine}/tasks`, { take: recentTasksShown }), { signal }),
    meta: { changesOf: ["ServerTasks"] },
  });

/** Roles that targets of the space have. */
export const machineRolesQuery = (space: string) =>
  queryOptions({
    queryKey: keyOf("machine-roles", space),
    queryFn: ({ signal }) => api.get<string[]>(path`/${space}/machineroles/all`, { signal }),
    meta: { changesOf: ["Machines"] },
  });

export const createMachine = (space: string, body: MachineBody): Promise<Machine> => api.post(path`/${space}/machines`, body);

export const saveMachine = (space: string, machine: string, body: MachineBody): Promise<Machine> =>
  api.put(path`/${space}/machines/${machine}`, body);

export const deleteMachine = (space: string, machine: string): Promise<void> => api.delete(path`/${space}/machines/${machine}`);

export const discoverMachine = (space: string, host: string, port: number): Promise<DiscoveredMachine> =>
  api.get(withQuery(path`/${space}/machines/discover`, { host, port, type: "TentaclePassive" }));

export const checkHealth = (space: string, machine: Pick<Machine, "Id" | "Name">): Promise<ServerTask> =>
  api.post(path`/${space}/tasks`, {
    Name: "Health",
    Description: `Check the health of ${machine.Name}`,
    Arguments: { MachineIds: [machine.Id] },
  });
