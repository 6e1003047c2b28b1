// The person who is signed in: their name, and the keys by which programs act as them. Users belong to no space, so no stream of a space
// tells of their changes.

import { queryOptions } from "@tanstack/react-query";
import type { ApiKey, NewApiKey, Page, User } from "./documents.ts";
import { api, path, withQuery } from "./request.ts";

/** As many as a user may have. */
const keysShown = 500;

export const apiKeysQuery = (user: string) =>
  queryOptions({
    queryKey: ["api-keys", user],
    queryFn: async ({ signal }) =>
      (await api.get<Page<ApiKey>>(withQuery(path`/users/${user}/apikeys`, { take: keysShown }), { signal })).Items,
  });

/** `expires`: ISO 8601; null for a key that stays good. */
export const createApiKey = (user: string, purpose: string, expires: string | null): Promise<NewApiKey> =>
  api.post(path`/users/${user}/apikeys`, { Purpose: purpose, Expires: expires });

export const deleteApiKey = (user: string, key: string): Promise<void> => api.delete(path`/users/${user}/apikeys/${key}`);

/** Nothing else is sent, so that nothing else is set back to what it was when this page was opened. */
export const saveName = (user: string, displayName: string): Promise<User> => api.put(path`/users/${user}`, { DisplayName: displayName });
