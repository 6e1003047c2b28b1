// What stands in the addresses of the pages about targets: the list's filter and page, and which way and line of adding one is shown.

import { healthStates } from "../../api/machines.ts";
import type { HealthState, MachineFilter } from "../../api/machines.ts";

const textCharactersMax = 200;
const pagesMax = 1_000_000;

export function readTargetsSearch(search: Record<string, unknown>): MachineFilter {
  const { health, disabled, page } = search;
  const texts = (["q", "environment", "role"] as const).flatMap((name) => {
    const text = search[name];
    // The router reads what looks like a number as one.
    const read = typeof text === "number" ? String(text) : text;
    return typeof read === "string" && read !== "" ? [[name, read.slice(0, textCharactersMax)]] : [];
  });
  return {
    ...(Object.fromEntries(texts) as Pick<MachineFilter, "q" | "environment" | "role">),
    ...(healthStates.some((one) => one === health) ? { health: health as HealthState } : {}),
    ...(typeof disabled === "boolean" ? { disabled } : {}),
    ...(typeof page === "number" && Number.isInteger(page) && page > 1 && page <= pagesMax ? { page } : {}),
  };
}

export interface AddTargetSearch {
  /** By address and thumbprint instead of by a line. */
  by?: "hand";
  /** The install token whose line is on its way. */
  token?: string;
}

export function readAddTargetSearch({ by, token }: Record<string, unknown>): AddTargetSearch {
  return {
    ...(by === "hand" ? { by } : {}),
    ...(typeof token === "string" && token !== "" ? { token: token.slice(0, textCharactersMax) } : {}),
  };
}
