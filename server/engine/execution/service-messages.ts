// The one place that reads service messages: lines of a script's standard output by which it speaks to the server,
//   ##octopus[name key='base64 of UTF-8' other="…"]
// Level switches change how the following lines are shown; every other message has a handler. None of them is a line of the log, as none is meant for
// people; only of one that nobody knows the log says so.

import type { Transaction } from "../../platform/database/database.ts";
import type { LogCategory, TaskRun } from "../tasks/tasks.ts";
import type { PlannedAction, PlannedStep, PlannedTarget } from "./plan.ts";

export interface ServiceMessage {
  name: string;
  /** Decoded; keys as they are written. */
  attributes: ReadonlyMap<string, string>;
}

/** A message and its line: by both it is told from every other one of the same task. */
export interface PlacedMessage {
  message: ServiceMessage;
  stepRunId: number;
  /** Of the line in the output of the script. */
  sequence: number;
}

/** Where a message comes from. */
export interface MessagePlace {
  run: TaskRun;
  step: PlannedStep;
  action: PlannedAction;
  target: PlannedTarget | undefined;
  /** The machine whose agent ran the script: the worker's, or the target's. */
  ranOn: PlannedTarget;
  block: string;
  /** The text with secrets replaced, as it may be shown. */
  mask(text: string): string;
}

/** What a message does. One of each name. */
export interface ServiceMessageHandler {
  readonly name: string;
  /**
   * Inside the guarded transaction that makes the message's line true, so that each message counts once, whatever dies. Harmless when the
   * transaction is run again.
   */
  apply(tx: Transaction, placed: PlacedMessage, place: MessagePlace): Promise<void>;
  /**
   * Runs once the script has ended, before its result is stored and its agent may forget it; again after a takeover. Called when a message of
   * this name was heard, or may have been heard by a former owner.
   */
  afterScript?(place: MessagePlace, stepRunId: number): Promise<void>;
}

/** A line longer than this is text: no value of a message is so large. */
const messageCharactersMax = 4 * 1024 * 1024;
const messagePattern = /^##octopus\[([A-Za-z][A-Za-z-]{0,39})((?:\s+[A-Za-z][A-Za-z0-9_.-]{0,99}\s*=\s*(?:'[^']*'|"[^"]*"))*)\s*\]\s*$/;
const brokenPattern = /^##octopus\[([A-Za-z-]{1,40})[\s\]]/;
const attributePattern = /([A-Za-z][A-Za-z0-9_.-]{0,99})\s*=\s*(?:'([^']*)'|"([^"]*)")/g;
const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const levels: Readonly<Record<string, LogCategory>> = {
  "stdout-default": "Info",
  "stdout-verbose": "Verbose",
  "stdout-highlight": "Highlight",
  "stdout-wait": "Wait",
  "stdout-warning": "Warning",
  "stdout-error": "Error",
};

/** The message in a line of standard output, or undefined when the line is plain text. */
export function readServiceMessage(text: string): ServiceMessage | undefined {
  if (!text.startsWith("##octopus[") || text.length > messageCharactersMax) return undefined;
  const [, whole, rest = ""] = messagePattern.exec(text) ?? [];
  // One that is not well-formed says nothing, but it is not meant for people either.
  const name = whole ?? brokenPattern.exec(text)?.[1];
  if (name === undefined) return undefined;
  const attributes = new Map<string, string>();
  for (const [, key = "", single, double] of rest.matchAll(attributePattern)) attributes.set(key, decode(single ?? double ?? ""));
  return { name, attributes };
}

/** What is no base64 is taken as it stands, as scripts write numbers. PostgreSQL's text has no NUL, so no value has one. */
function decode(text: string): string {
  const bare = text.replaceAll(/\s/g, "");
  const decoded = base64Pattern.test(bare) ? Buffer.from(text, "base64").toString("utf8") : text;
  return decoded.replaceAll("\u0000", "");
}

/** The level that a message switches to, if it is such a one. */
export function levelOf(message: ServiceMessage): LogCategory | undefined {
  return Object.hasOwn(levels, message.name) ? levels[message.name] : undefined;
}
