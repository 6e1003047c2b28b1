// Tokens with which a machine installs the agent and registers itself, and how far each has come.

import { queryOptions } from "@tanstack/react-query";
import type { InstallToken, InstallTokenBody, NewInstallToken, Page } from "./documents.ts";
import { keyOf } from "./queries.ts";
import { api, path, withQuery } from "./request.ts";

const tokensShown = 30;
/** A token runs out without anybody doing anything. */
const runningMs = 15_000;

const ends: ReadonlySet<InstallToken["State"]> = new Set(["Healthy", "Expired", "Revoked"]);

/** Whether something may still come of it. */
export function isOpen(token: InstallToken): boolean {
  return !ends.has(token.State);
}

export const installTokenQuery = (space: string, token: string) =>
  queryOptions({
    queryKey: keyOf("install-token", space, token),
    queryFn: ({ signal }) => api.get<InstallToken>(path`/${space}/machines/install-tokens/${token}`, { signal }),
    // Stages are events of the token; whether the machine is well is what a task finds.
    meta: { changesOf: [token, "Machines", "ServerTasks"] },
    refetchInterval: ({ state: { data } }) => (data === undefined || !isOpen(data) ? false : runningMs),
  });

/** The newest. */
export const installTokensQuery = (space: string) =>
  queryOptions({
    queryKey: keyOf("install-tokens", space),
    queryFn: async ({ signal }) =>
      (await api.get<Page<InstallToken>>(withQuery(path`/${space}/machines/install-tokens`, { take: tokensShown }), { signal })).Items,
    meta: { changesOf: ["InstallTokens", "Machines"] },
  });

export const createInstallToken = (space: string, body: InstallTokenBody): Promise<NewInstallToken> =>
  api.post(path`/${space}/machines/install-tokens`, body);

export const revokeInstallToken = (space: string, token: string): Promise<void> =>
  api.delete(path`/${space}/machines/install-tokens/${token}`);
