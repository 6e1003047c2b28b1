// What a machine policy may say: pure checks of what a client sent, with what it left out taken from before.

type Members = Record<string, unknown>;

/** Tries of one connection; more would only keep a task waiting. */
const retriesMax = 1_000;
/** Longest timespan, so that every one fits the timers of the programs that wait it out. */
const daysMax = 24;

/** Milliseconds of a timespan as everywhere in the API: `hh:mm:ss` or `d.hh:mm:ss`, perhaps with parts of a second. Undefined: it is none. */
export function timespanMs(text: unknown): number | undefined {
  const [, days = "0", hours, minutes, seconds, part = "0"] =
    typeof text === "string" ? (/^(?:(\d{1,4})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,7}))?$/.exec(text) ?? []) : [];
  if (hours === undefined || Number(hours) >= 24 || Number(minutes) >= 60 || Number(seconds) >= 60 || Number(days) >= daysMax)
    return undefined;
  const wholeSeconds = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  return wholeSeconds * 1000 + Math.floor(Number(`0.${part}`) * 1000);
}

/** Whether a text is a timespan. */
export function isTimespan(text: unknown): boolean {
  return timespanMs(text) !== undefined;
}

const words: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  MachineHealthCheckPolicy: { HealthCheckType: ["RunScript", "OnlyConnectivity"] },
  MachineConnectivityPolicy: { MachineConnectivityBehavior: ["ExpectedToBeOnline", "MayBeOfflineAndCanBeSkipped"] },
  MachineCleanupPolicy: { DeleteMachinesBehavior: ["DoNotDelete", "DeleteUnavailableMachines"] },
  MachineUpdatePolicy: {
    CalamariUpdateBehavior: ["UpdateOnDeployment", "UpdateOnNewMachine", "UpdateAlways"],
    TentacleUpdateBehavior: ["NeverUpdate", "Update"],
    KubernetesAgentUpdateBehavior: ["NeverUpdate", "Update", "Block"],
  },
};
const runTypes = ["InheritFromDefault", "Inline", "OnlyConnectivity"];
const timespans = [
  "ConnectionConnectTimeout",
  "ConnectionRetrySleepInterval",
  "ConnectionRetryTimeLimit",
  "PollingRequestQueueTimeout",
  "PollingRequestMaximumMessageProcessingTimeout",
];

/** The sent parts of each group over what is there, and every fault of the result. Words come back in their usual spelling. */
export function readPolicy(before: Members, sent: Members): { values: Members; faults: string[] } {
  const faults: string[] = [];
  const values: Members = { ...sent };
  const timespan = (at: string, value: unknown): void => {
    if (!isTimespan(value)) faults.push(`${at} must be a timespan such as 00:05:00 or 1.12:00:00, shorter than ${daysMax} days.`);
  };
  const word = (at: string, value: unknown, of: readonly string[]): string | undefined => {
    const found = typeof value === "string" ? of.find((one) => one.toLowerCase() === value.toLowerCase()) : undefined;
    if (found === undefined) faults.push(`${at} must be one of: ${of.join(", ")}.`);
    return found;
  };
  for (const member of timespans) timespan(member, sent[member]);
  const retries = sent["ConnectionRetryCountLimit"];
  if (typeof retries !== "number" || retries < 0 || retries > retriesMax)
    faults.push(`ConnectionRetryCountLimit must be a number from 0 to ${retriesMax}.`);
  for (const [group, members] of Object.entries(words)) {
    const whole: Members = { ...(before[group] as Members), ...(sent[group] as Members) };
    for (const [member, of] of Object.entries(members)) whole[member] = word(`${group}.${member}`, whole[member], of);
    values[group] = whole;
  }
  const health = values["MachineHealthCheckPolicy"] as Members;
  for (const shell of ["PowerShellHealthCheckPolicy", "BashHealthCheckPolicy"]) {
    const at = `MachineHealthCheckPolicy.${shell}`;
    const script = health[shell] as { RunType?: unknown; ScriptBody?: unknown } | null;
    const RunType = word(`${at}.RunType`, script?.RunType, runTypes);
    if (RunType === "Inline" && (typeof script?.ScriptBody !== "string" || script.ScriptBody.trim() === ""))
      faults.push(`${at}.ScriptBody is required where RunType is Inline.`);
    health[shell] = { ...script, RunType };
  }
  const { HealthCheckInterval: interval, HealthCheckCron: cron } = health;
  if (interval !== null) timespan("MachineHealthCheckPolicy.HealthCheckInterval", interval);
  if (cron !== null && typeof cron !== "string") faults.push("MachineHealthCheckPolicy.HealthCheckCron must be text.");
  timespan(
    "MachineCleanupPolicy.DeleteMachinesElapsedTimeSpan",
    (values["MachineCleanupPolicy"] as Members)["DeleteMachinesElapsedTimeSpan"],
  );
  return { values, faults };
}
