// What the service messages of one script do: output variables, and whatever the handlers do that were handed in. Each counts once, in the
// guarded transaction that makes its line true.

import type { Transaction } from "../../platform/database/database.ts";
import type { Outputs } from "./output-variables.ts";
import type { MessagePlace, ServiceMessage, ServiceMessageHandler } from "./service-messages.ts";
import type { OutputValue } from "./step-type.ts";

const setVariable = "setVariable";

export interface ScriptMessages {
  /** A secret that the message makes: it must not be shown from its line on. */
  secretOf(message: ServiceMessage): string | undefined;
  /** Why the message is not heeded, in a sentence for people. */
  refuse(message: ServiceMessage): string | undefined;
  /** Inside the guarded transaction of the messages' lines. */
  apply(tx: Transaction, messages: readonly ServiceMessage[]): Promise<void>;
  /** That transaction has committed. */
  applied(messages: readonly ServiceMessage[]): void;
}

export function createScriptMessages(parts: {
  outputs: Outputs;
  handlers: ReadonlyMap<string, ServiceMessageHandler>;
  place: MessagePlace;
}): ScriptMessages {
  const { outputs, handlers, place } = parts;

  function outputsOf(messages: readonly ServiceMessage[]): OutputValue[] {
    return messages.flatMap((message) => readOutputValue(message) ?? []).filter((value) => outputs.refuse(value) === undefined);
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
      for (const message of messages) await handlers.get(message.name)?.apply(tx, message, place);
    },
    applied(messages) {
      outputs.keep(place, outputsOf(messages));
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
