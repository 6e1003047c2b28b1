// What an agent reports of a script becomes lines of the log: messages to the server are none, and one that nobody knows is named.

import assert from "node:assert/strict";
import { test } from "node:test";
import { processOutputSource } from "@cuttle/contract/agent/script";
import { createScriptMessages } from "./script-messages.ts";
import type { ScriptMessages } from "./script-messages.ts";
import { initialOutputState, readLine, showLine } from "./script-output.ts";
import { readServiceMessage } from "./service-messages.ts";

const at = new Date("2026-01-02T03:04:05Z");

test("D7: messages are no lines of the log, and switch the level of those that follow", () => {
  let state = initialOutputState;
  const shown: string[] = [];
  const said = [
    [processOutputSource.stdOut, "before"],
    [processOutputSource.stdOut, "##octopus[setVariable name='YQ==' value='Yg==']"],
    [processOutputSource.stdOut, "##octopus[stdout-warning]"],
    [processOutputSource.stdOut, "look out"],
    [processOutputSource.stdOut, "##octopus[setVarible name='YQ==']"],
    [processOutputSource.stdOut, "say ##octopus[stdout-default]"],
    [processOutputSource.stdErr, "##octopus[stdout-default]"],
  ] as const;
  for (const [Source, Text] of said) {
    const next = showLine(state, readLine({ Source, Text, Occurred: at }));
    state = next.state;
    if (next.line !== undefined) shown.push(`${next.line.category}: ${next.line.text}`);
  }
  // Standard error speaks to nobody but people.
  assert.deepEqual(shown, [
    "Info: before",
    "Warning: look out",
    "Warning: say ##octopus[stdout-default]",
    "Error: ##octopus[stdout-default]",
  ]);
});

test("a message that nobody knows is named in a verbose line, others say only what they are for", () => {
  const messages: Pick<ScriptMessages, "entriesOf"> = createScriptMessages({
    outputs: {} as never,
    handlers: new Map([["createArtifact", { name: "createArtifact", apply: async () => {} }]]),
    place: { block: "step-1", mask: (text: string) => text.replace("secret", "********") } as never,
  });
  const entriesOf = (text: string) =>
    messages
      .entriesOf(readServiceMessage(text)!, at.toISOString())
      .map((entry) => ("text" in entry ? `${entry.category}: ${entry.text}` : entry));
  for (const text of ["##octopus[setVariable name='YQ==']", "##octopus[createArtifact path='YQ==']", "##octopus[stdout-wait]"])
    assert.deepEqual(entriesOf(text), [], text);
  assert.deepEqual(entriesOf("##octopus[setVarible name='YQ==']"), [
    'Verbose: The service message "setVarible" is not known here, so nothing was done for it.',
  ]);
  assert.deepEqual(entriesOf("##octopus[progress percentage='40' message='a secret']"), [
    { kind: "progress", id: "step-1", percentage: 40, message: "a ********", at: at.toISOString() },
  ]);
});
