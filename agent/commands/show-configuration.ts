// The command that shows an agent's settings as a tree, and, asked for it, what a server knows of the agent.
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Configuration, settingKeys } from "../configuration/configuration.ts";
import { instanceOptions, openChosen } from "./chosen-configuration.ts";
import { connectToChosen, namesServer, openSpace, serverOptions } from "./chosen-server.ts";
import { type Command, CommandFailure, option } from "./command-line.ts";
import { type Document, expand, linkOf, type ServerConnection, textOf } from "./server-connection.ts";

type Tree = Record<string, unknown>;

export const showConfigurationCommand: Command = {
  name: "show-configuration",
  says: "Prints the settings as JSON",
  options: [
    ...instanceOptions,
    option("file", "Write it to a file instead"),
    option("space", "The space to look in, with --server"),
    ...serverOptions,
  ],
  async run(given, io) {
    const configuration = await openChosen(given, io);
    const tree = describe(configuration);
    if (namesServer(given)) {
      const server = await connectToChosen(given, io);
      try {
        await addWhatServerKnows(tree, server, given.text("space"), configuration.thumbprint());
      } finally {
        server.close();
      }
    }
    const text = JSON.stringify(sorted(tree), null, 2);
    const target = given.text("file");
    if (target === undefined) return io.say(text);
    await writeFile(resolve(io.folder, target), text);
  },
};

/** Typed, without what is secret. */
function describe(configuration: Configuration): Tree {
  const tree: Tree = {};
  place(tree, "Octopus.Watchdog", { Enabled: false, Instances: "*", Interval: 0 });
  place(tree, settingKeys.pollingConnectionCount, null);
  for (const [key, text] of configuration.all()) {
    if (key === settingKeys.certificate || /password/i.test(key)) continue;
    place(tree, key, key === settingKeys.trustedServers ? JSON.parse(text) : typed(text));
  }
  return tree;
}

async function addWhatServerKnows(tree: Tree, server: ServerConnection, spaceName: string | undefined, thumbprint: string | undefined) {
  if (thumbprint === undefined) throw new CommandFailure("There is no certificate yet, so no server knows this agent.");
  const { root } = await openSpace(server, spaceName);
  const own = async (link: string): Promise<Document | undefined> =>
    (await server.list(expand(linkOf(root, link), { id: "all", thumbprint }))).find((one) => knows(one, thumbprint));
  const machine = await own("Machines");
  const worker = await own("Workers");
  const known = machine ?? worker;
  if (known === undefined) return;
  place(tree, "Tentacle.DisplayName", textOf(known, "Name"));
  place(tree, "Tentacle.Communication.PublicHostName", endpointAddress(known));
  const named = async (link: string, ids: unknown): Promise<Document[]> => {
    const wanted = Array.isArray(ids) ? ids : typeof ids === "string" ? [ids] : [];
    const items = await server.pages(expand(linkOf(root, link)));
    return items.filter((item) => wanted.includes(item["Id"])).map((item) => ({ Id: item["Id"], Name: item["Name"] }));
  };
  if (typeof known["MachinePolicyId"] === "string")
    place(tree, "Tentacle.MachinePolicy", (await named("MachinePolicies", known["MachinePolicyId"]))[0] ?? null);
  if (machine !== undefined) {
    place(tree, "Tentacle.Environments", await named("Environments", machine["EnvironmentIds"]));
    place(tree, "Tentacle.Tenants", await named("Tenants", machine["TenantIds"]));
    place(tree, "Tentacle.Roles", machine["Roles"] ?? []);
    place(tree, "Tentacle.TenantTags", machine["TenantTags"] ?? []);
  }
  if (worker !== undefined) place(tree, "Tentacle.WorkerPools", await named("WorkerPools", worker["WorkerPoolIds"]));
}

function knows(machine: Document, thumbprint: string): boolean {
  const endpoint = machine["Endpoint"] as Document | null | undefined;
  // An answer without endpoints was filtered by the server.
  return endpoint === undefined || endpoint === null || textOf(endpoint, "Thumbprint").toUpperCase() === thumbprint;
}

function endpointAddress(machine: Document): string | null {
  const endpoint = machine["Endpoint"] as Document | null | undefined;
  return endpoint === undefined || endpoint === null ? null : textOf(endpoint, "Uri") || null;
}

function typed(text: string): unknown {
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
  return /^\d{1,9}$/.test(text) ? Number(text) : text;
}

function place(tree: Tree, key: string, value: unknown): void {
  const names = key.split(".");
  let at = tree;
  for (const name of names.slice(0, -1)) at = (at[name] ??= {}) as Tree;
  at[names.at(-1)!] = value;
}

/** Objects of settings by name; what lists hold keeps its order. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([name, one]) => [name, sorted(one)] as const);
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
}
