// The exit codes that come from the agent and not from the script. A script may end with the same numbers by accident only
// below zero, which bash cannot do; a script ended by a signal reports 128 + the signal's number.

/** Exit codes of the agent's own making, by what they mean. */
export const agentExitCode = {
  /** The script was cancelled while it ran (or its code could not be read). Never conclude "cancelled" from it: remember that you cancelled. */
  unreadable: -1,
  /** The workspace or the log could not be used. */
  fatal: -41,
  /** The shell could not be started. */
  shellNotStarted: -42,
  /** Cancelled while it waited for its isolation lock; it never ran. */
  cancelledBeforeStart: -43,
  /** Its isolation lock did not come free in time; it never ran. */
  isolationTimeout: -44,
  /** The agent does not know the ticket. */
  unknownScript: -45,
  /** The script was started, and how it ended cannot be known (machine restarted, its processes killed from outside). */
  unknownResult: -46,
  /** PowerShell did not begin to run in time. */
  powerShellNotStarted: -47,
} as const;

export type AgentExitCode = (typeof agentExitCode)[keyof typeof agentExitCode];
