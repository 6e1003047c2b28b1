// How the portal's connection to the server stands, for the light in the header and the banner.

import { createStore } from "./store.ts";

export interface Connection {
  /** `polling`: the user may not follow changes, or cannot; pages are asked again from time to time. */
  state: "connecting" | "live" | "lost" | "polling";
  /** When the server was last heard, in milliseconds since 1970. */
  heardAt: number;
  /** What went wrong last. */
  problem: string | undefined;
}

export const connection = createStore<Connection>({ state: "connecting", heardAt: Date.now(), problem: undefined });
