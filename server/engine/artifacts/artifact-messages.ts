// What a script's message createArtifact does: the intent is stored with its line, and the file is fetched when the script has ended.

import type { ServiceMessageHandler } from "../execution/execution.ts";
import type { Agents } from "../agents/agents.ts";
import type { ArtifactFilesParts } from "./artifact-files.ts";
import { countArtifactsOfTask, insertAnnounced } from "./artifact-store.ts";
import { collectArtifacts } from "./collect-artifacts.ts";

/** Artifacts of one task; more are a loop that was not meant. */
export const artifactsPerTaskMax = 10_000;
export const filenameCharactersMax = 250;
/** Paths of systems are shorter. */
const pathCharactersMax = 4_096;
/** An agent that cannot be reached for so long is given up. */
const agentGoneMs = 2 * 60_000;

export function createArtifactMessages(parts: ArtifactFilesParts & { agents: Agents }): ServiceMessageHandler {
  return {
    name: "createArtifact",
    async apply(tx, { message, stepRunId, sequence }, { run, block, ranOn, mask }) {
      const machinePath = message.attributes.get("path") ?? "";
      const { spaceId, id: taskId } = run.task;
      if (machinePath === "" || machinePath.length > pathCharactersMax || spaceId === null) return;
      if ((await countArtifactsOfTask(tx, taskId)) >= artifactsPerTaskMax) return;
      await insertAnnounced(tx, {
        spaceId,
        taskId,
        stepRunId,
        logSequence: sequence,
        machinePath,
        filename: readName(mask(message.attributes.get("name") ?? ""), mask(machinePath)),
        logCorrelationId: `${taskId}_${block}`,
        source: ranOn.name,
      });
    },
    async afterScript({ run, block, ranOn, mask }, stepRunId) {
      await collectArtifacts(parts, {
        run,
        stepRunId,
        agent: ranOn.agent,
        machineName: ranOn.name,
        agentGoneMs,
        say: (category, text, also) => {
          const at = new Date().toISOString();
          return run.log.append([{ kind: "line", block, category, at, text: mask(text) }], also);
        },
      });
    },
  };
}

/** The name that the script gave, or that of the file, in one line. */
function readName(given: string, path: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what goes
  const plain = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f]/g, " ").trim();
  return (plain(given) || plain(path.split(/[/\\]/).at(-1) ?? "") || "artifact").slice(0, filenameCharactersMax);
}
