// What the service messages of one script do: output variables, progress, and whatever the handlers do that were handed in. Each counts once, in the
// guarded transaction that makes its line true.

import type { Transaction } from "../../platform/database/database.ts";
import { line } from "./plan-log.ts";
import type { Outputs } from "./output-variables.ts";
import type { LogEntry } from "../tasks/tasks.ts";
import { levelOf } from "./service-messages.ts";
import type { MessagePlace, PlacedMessage, ServiceMessage, ServiceMessageHandler } from "./service-messages.ts";
import type { OutputValue } from "./step-type.ts";

const setVariable = "setVariable";
const progress = "progress";
const progressCharactersMax = 500;

export interface ScriptMessages {
  /** A secret that the message makes: it must not be shown from its line on. */
  secretOf(message: ServiceMessage): string | undefined;
  /** Why the message is not heeded, in a sentence for people. */
  refuse(message: ServiceMessage): string | undefined;
  /** What the log says of it. */
  entriesOf(message: ServiceMessage, at: string): LogEntry[];
  /** Inside the guarded transaction of the messages' lines. */
  apply(tx: Transaction, messages: readonly PlacedMessage[]): Promise<void>;
  /** That transaction has committed. */
  applied(messages: readonly PlacedMessage[]): void;
  /** Whether something may have to be done when the script has ended, because of this message or, without one, because of any. */
  hasAftermath(message?: ServiceMessage): boolean;
  /** All that is to be done when the script has ended. */
  afterScript(stepRunId: number): Promise<void>;
}

export function createScriptMessages(parts: {
  outputs: Outputs;
  handlers: ReadonlyMap<string, ServiceMessageHandler>;
  place: MessagePlace;
}): ScriptMessages {
  const { outputs, handlers, place } = parts;

  const isKnown = (message: ServiceMessage): boolean =>
    message.name === setVariable || message.name === progress || levelOf(message) !== undefined || handlers.has(message.name);

  function outputsOf(messages: readonly PlacedMessage[]): OutputValue[] {
    return messages.flatMap(({ message }) => readOutputValue(message) ?? []).filter((value) => outputs.refuse(value) === undefined);
  }

  return {
    secretOf(message) {
      const output = readOutputValue(message);
      return output?.sensitive === true ? output.value : undefined;
    },
    refuse(message) {
      const output = readOutputValue(message);
      return output === undefined ? undefined : outputs.refuse(output);
    },
    async apply(tx, messages) {
      await outputs.put(tx, place, outputsOf(messages));
      for (const placed of messages) await handlers.get(placed.message.name)?.apply(tx, placed, place);
    },
    applied(messages) {
      outputs.keep(place, outputsOf(messages));
    },
    entriesOf(message, at) {
      // Somebody may have mistyped it, or counts on what only another server does.
      if (!isKnown(message))
        return [line(place.block, "Verbose", `The service message "${message.name}" is not known here, so nothing was done for it.`)];
      const percentage = message.name === progress ? Number(message.attributes.get("percentage")) : NaN;
      if (!Number.isFinite(percentage)) return [];
      const text = place.mask((message.attributes.get("message") ?? "").replaceAll(/\s+/g, " ").slice(0, progressCharactersMax));
      return [{ kind: "progress", id: place.block, percentage: Math.min(100, Math.max(0, Math.round(percentage))), message: text, at }];
    },
    hasAftermath: (message) =>
      message === undefined
        ? [...handlers.values()].some((handler) => handler.afterScript !== undefined)
        : handlers.get(message.name)?.afterScript !== undefined,
    async afterScript(stepRunId) {
      for (const handler of handlers.values()) await handler.afterScript?.(place, stepRunId);
    },
  };
}

function readOutputValue({ name, attributes }: ServiceMessage): OutputValue | undefined {
  if (name !== setVariable) return undefined;
  return {
    name: attributes.get("name") ?? "",
    value: attributes.get("value") ?? "",
    sensitive: attributes.get("sensitive")?.trim().toLowerCase() === "true",
  };
}
