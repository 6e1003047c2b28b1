// Who is signed in, and signing in and out.

import { queryOptions } from "@tanstack/react-query";
import type { User } from "./documents.ts";
import { request } from "./request.ts";

export const meQuery = queryOptions({
  queryKey: ["me"],
  // Without a session this is answered with 401, which the router takes as "not signed in" rather than as a session that ran out.
  queryFn: ({ signal }) => request<User>("/users/me", { method: "GET", signal, isSignIn: true }),
  staleTime: Infinity,
  retry: false,
});

export function signIn(username: string, password: string, rememberMe: boolean): Promise<User> {
  return request<User>("/users/login", {
    method: "POST",
    isSignIn: true,
    body: {
      Username: username,
      Password: password,
      RememberMe: rememberMe,
      State: { UsingSecureConnection: location.protocol === "https:" },
    },
  });
}

export function signOut(): Promise<void> {
  return request<void>("/users/logout", { method: "POST", isSignIn: true, body: {} });
}
