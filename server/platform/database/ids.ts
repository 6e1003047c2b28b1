// Ids people see (Projects-7): a collection name and a number from that collection's sequence, never used twice.

import type { Queryable } from "./queryable.ts";

/** Collection name in ids → its sequence. A new resource adds its line here and its sequence in a migration. */
const sequences = {
  Spaces: "ids_spaces",
  Users: "ids_users",
  APIKeys: "ids_api_keys",
  ServerTasks: "ids_server_tasks",
  Environments: "ids_environments",
  MachinePolicies: "ids_machine_policies",
  Machines: "ids_machines",
  Workers: "ids_workers",
  WorkerPools: "ids_worker_pools",
  Proxies: "ids_proxies",
  TagSets: "ids_tag_sets",
  Tags: "ids_tags",
  Tenants: "ids_tenants",
  Lifecycles: "ids_lifecycles",
  ProjectGroups: "ids_project_groups",
  Projects: "ids_projects",
  Channels: "ids_channels",
  Releases: "ids_releases",
  Deployments: "ids_deployments",
  Interruptions: "ids_interruptions",
  BuildInformation: "ids_build_information",
  LibraryVariableSets: "ids_library_variable_sets",
  Artifacts: "ids_artifacts",
  InstallTokens: "ids_install_tokens",
} as const;

export type Collection = keyof typeof sequences;

/** The next id of a collection, with its number. A rolled-back transaction leaves a gap. */
export async function nextId(tx: Queryable, collection: Collection): Promise<{ id: string; number: number }> {
  const sequence = sequences[collection];
  const [row] = await tx.query<{ number: number }>(`SELECT nextval('${sequence}') AS number`, [], { name: `next-id-${sequence}` });
  if (row === undefined) throw new Error(`The sequence ${sequence} gave no number.`);
  return { id: `${collection}-${row.number}`, number: row.number };
}
