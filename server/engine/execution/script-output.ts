// Turns what an agent reports of a script into log lines: levels switched by service messages, secrets masked. Pure apart from its
// own small state, which is stored with the cursor so that a takeover goes on in the same level.

import type { ProcessOutput } from "@cuttle/contract/agent/script";
import { processOutputSource } from "@cuttle/contract/agent/script";
import type { LogCategory } from "../tasks/tasks.ts";

/** What must be remembered between two answers of the agent. Version 1 of the stored form. */
export interface OutputState {
  v: 1;
  /** The level that plain output has now. */
  level: LogCategory;
}

export const initialOutputState: OutputState = { v: 1, level: "Info" };

const levels: Readonly<Record<string, LogCategory>> = {
  "stdout-default": "Info",
  "stdout-verbose": "Verbose",
  "stdout-highlight": "Highlight",
  "stdout-wait": "Wait",
  "stdout-warning": "Warning",
  "stdout-error": "Error",
};

export interface OutputLine {
  category: LogCategory;
  at: string;
  text: string;
}

/** The line to show, if any, and the state after it. A service message that is known here is acted on and not shown. */
export function readOutput(state: OutputState, output: ProcessOutput): { state: OutputState; line: OutputLine | undefined } {
  const at = output.Occurred.toISOString();
  if (output.Source === processOutputSource.debug) return { state, line: { category: "Verbose", at, text: output.Text } };
  if (output.Source === processOutputSource.stdErr) return { state, line: { category: "Error", at, text: output.Text } };
  const switched = /^##octopus\[(stdout-[a-z]+)\]\s*$/.exec(output.Text);
  const level = switched === null ? undefined : levels[switched[1]!];
  if (level !== undefined) return { state: { v: 1, level }, line: undefined };
  // Other service messages carry values in base64; they are not meant for people.
  const message = /^##octopus\[([A-Za-z-]{1,40})[\s\]]/.exec(output.Text);
  if (message !== null) return { state, line: { category: "Verbose", at, text: `##octopus[${message[1]} …]` } };
  return { state, line: { category: state.level, at, text: output.Text } };
}

/** Reads a stored state; anything unknown starts over, which can only show a line in the wrong level. */
export function restoreOutputState(stored: unknown): OutputState {
  if (typeof stored === "object" && stored !== null && "v" in stored && stored.v === 1 && "level" in stored) {
    return stored as OutputState;
  }
  return initialOutputState;
}
