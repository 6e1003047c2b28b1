// How far a token has come, in a word and a sentence, with what to look at where it is not well: pure, from what is stored of the token and
// of the machine that it registered.

import type { InstallTokenRow } from "./install-token-store.ts";

type State = "Waiting" | "Started" | "Downloaded" | "Installed" | "Registered" | "Failed" | "Healthy" | "Unhealthy" | "Expired" | "Revoked";

type Known = Pick<
  InstallTokenRow,
  | "communication_style"
  | "expires_at"
  | "is_expired"
  | "revoked_at"
  | "spent_at"
  | "machine_id"
  | "stages"
  | "registered_name"
  | "health_status"
  | "status_summary"
  | "health_checked_at"
>;

const isWell = (row: Known): boolean => row.health_status === "Healthy" || row.health_status === "HasWarnings";
/** A check that was done after the machine was registered. */
const wasChecked = (row: Known): boolean =>
  row.health_checked_at !== null && row.spent_at !== null && row.health_checked_at >= row.spent_at && row.health_status !== "Unknown";

export function currentState(row: Known): { State: State; Message: string; WhatToCheck: string | null } {
  const say = (State: State, Message: string, WhatToCheck: string | null = null) => ({ State, Message, WhatToCheck });
  const last = row.stages.at(-1);
  if (row.revoked_at !== null) return say("Revoked", "The token was revoked; nobody can use it.");
  if (row.spent_at !== null) {
    if (row.machine_id === null) return say("Registered", "The machine was registered, and is deleted by now.");
    const name = row.registered_name ?? "The machine";
    if (!wasChecked(row)) return say("Registered", `${name} is registered; its first health check is under way.`);
    if (isWell(row)) return say("Healthy", `${name} is healthy and can be deployed to.`);
    const why = row.status_summary === null || row.status_summary === "" ? "" : ` ${row.status_summary}`;
    return say(
      "Unhealthy",
      `${name} is registered, but its health check failed.${why}`,
      row.communication_style === "TentaclePassive"
        ? "Can the server reach the agent's port from here? A firewall may be in between; an agent that polls needs no open port on its machine."
        : "Does the agent run, and can its machine reach the port for agents of this server? The agent's log says what it tries.",
    );
  }
  if (row.is_expired) return say("Expired", `The token could be used until ${row.expires_at.toISOString()}.`);
  if (last === undefined) return say("Waiting", "Waiting for the line to be pasted into a shell of the machine.");
  if (last.Stage === "Failed") {
    const message = last.Message === "" ? "The installation failed." : last.Message;
    return say("Failed", message, "Mend what it says on the machine, and paste the same line again: it goes on where it was.");
  }
  const words: Record<string, string> = {
    Started: "The machine is downloading the agent.",
    Downloaded: "The agent is downloaded and is being installed.",
    Installed: "The agent is installed and is about to register.",
  };
  return say(last.Stage as State, words[last.Stage] ?? last.Stage);
}

/** What the machine said, and what its first check said. */
export function knownStages(row: Known): { Stage: State; OccurredAt: string; Message: string }[] {
  const stages = row.stages.map((one) => ({ ...one, Stage: one.Stage as State }));
  if (row.machine_id === null || !wasChecked(row)) return stages;
  const { State, Message } = currentState(row);
  return [...stages, { Stage: State, OccurredAt: row.health_checked_at!.toISOString(), Message }];
}
