// What a deployment brings to its environment: the notes and builds of each release since the one that is there, as a list and as Markdown
// by the project's template.

import { createVariables, TemplateError } from "@cuttle/templates";
import type { Queryable } from "../../../platform/database/database.ts";
import { listReleasesBetween } from "../../projects/projects.ts";
import type { ReleaseRow } from "../../projects/projects.ts";
import type { ReleaseChanges } from "./deployment.ts";
import * as store from "./deployment-store.ts";

/** As clients know a project without a template of its own. */
const templateDefault = `#{each release in Octopus.Deployment.Changes}
#### #{release.Version}

#{release.ReleaseNotes}
#{each workItem in release.WorkItems}
- [#{workItem.Id}](#{workItem.LinkUrl}) #{workItem.Description}
#{/each}
#{/each}`;
/** Of the list with its notes, in characters of JSON: the oldest releases go first. */
const changesCharactersMax = 64 * 1024;

export interface DeploymentChanges {
  list: ReleaseChanges[];
  markdown: string;
}

interface Build {
  Commits?: object[];
  WorkItems?: object[];
}

export async function changesOf(
  db: Queryable,
  release: ReleaseRow,
  place: { environmentId: string; tenantId: string | null; template: unknown; nowMs: number },
): Promise<DeploymentChanges> {
  const there = await store.findReleaseThere(db, { projectId: release.project_id, ...place });
  const found = (await listReleasesBetween(db, release, there)).map(({ version, notes, builds }): ReleaseChanges => {
    const all = builds as Build[];
    return {
      Version: version,
      ReleaseNotes: notes,
      WorkItems: all.flatMap((one) => one.WorkItems ?? []),
      Commits: all.flatMap((one) => one.Commits ?? []),
      BuildInformation: builds,
    };
  });
  const list: ReleaseChanges[] = [];
  let characters = 0;
  for (const one of found) {
    characters += JSON.stringify(one).length;
    if (characters > changesCharactersMax) break;
    list.push(one);
  }
  const template = typeof place.template === "string" && place.template.trim() !== "" ? place.template : templateDefault;
  return { list, markdown: markdownOf(list, template, place.nowMs) };
}

/** A template that cannot be filled never stops a deployment: its text says why. */
function markdownOf(list: readonly ReleaseChanges[], template: string, nowMs: number): string {
  if (list.length === 0) return "";
  const variables = createVariables([{ name: "Octopus.Deployment.Changes", value: JSON.stringify(list) }], { nowMs });
  try {
    const { text, problem } = variables.evaluate(template);
    return problem === null ? (text ?? "").trim() : `The template for deployment changes cannot be read: ${problem.message}`;
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return `The template for deployment changes cannot be filled: ${error.message}`;
  }
}
