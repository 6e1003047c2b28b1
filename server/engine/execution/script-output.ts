// Turns what an agent reports of a script into log lines: levels switched by service messages, secrets masked. Pure apart from its
// own small state, which is stored with the cursor so that a takeover goes on in the same level.

import type { ProcessOutput } from "@cuttle/contract/agent/script";
import { processOutputSource } from "@cuttle/contract/agent/script";
import type { LogCategory } from "../tasks/tasks.ts";
import type { ServiceMessage } from "./service-messages.ts";
import { levelOf, readServiceMessage } from "./service-messages.ts";

/** What must be remembered between two answers of the agent. Version 1 of the stored form. */
export interface OutputState {
  v: 1;
  /** The level that plain output has now. */
  level: LogCategory;
}

export const initialOutputState: OutputState = { v: 1, level: "Info" };

export interface OutputLine {
  category: LogCategory;
  at: string;
  text: string;
}

/** One line of output; what is said by it is taken out before masking, which would replace secrets in it as well, and is no text for people. */
export interface ReadLine {
  source: ProcessOutput["Source"];
  at: string;
  /** May be shown once it is masked. */
  text: string;
  message: ServiceMessage | undefined;
}

export function readLine(output: ProcessOutput): ReadLine {
  const at = output.Occurred.toISOString();
  const message = output.Source === processOutputSource.stdOut ? readServiceMessage(output.Text) : undefined;
  return { source: output.Source, at, text: message === undefined ? output.Text : "", message };
}

/** The line to show, if any, and the state after it. Messages to the server are no lines of the log. */
export function showLine(
  state: OutputState,
  { source, at, text, message }: ReadLine,
): { state: OutputState; line: OutputLine | undefined } {
  if (source === processOutputSource.debug) return { state, line: { category: "Verbose", at, text } };
  if (source === processOutputSource.stdErr) return { state, line: { category: "Error", at, text } };
  if (message === undefined) return { state, line: { category: state.level, at, text } };
  const level = levelOf(message);
  return { state: level === undefined ? state : { v: 1, level }, line: undefined };
}

/** Reads a stored state; anything unknown starts over, which can only show a line in the wrong level. */
export function restoreOutputState(stored: unknown): OutputState {
  if (typeof stored === "object" && stored !== null && "v" in stored && stored.v === 1 && "level" in stored) {
    return stored as OutputState;
  }
  return initialOutputState;
}
