// The recorded REST conversations of a real agent, replayed against a server of ours. Addresses are found the way its client finds
// them: from the links of our own answers. Ids, links, keys and cookies of the recording are replaced by ours.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import type { Json } from "./api-node.ts";

const folder = new URL("../../contract/fixtures/agent-rest/", import.meta.url);

export interface RecordedExchange {
  request: { method: string; effectiveMethod: string; path: string; headers: Record<string, string>; body: Json };
  response: { status: number; body: Json };
}
export interface RecordedStep {
  command: string[];
  exitCode: number;
  exchanges: RecordedExchange[];
}
export interface Recording {
  scenario: string;
  steps: RecordedStep[];
}

const readJson = (name: string): Json => JSON.parse(readFileSync(new URL(name, folder), "utf8"));

export const recordings: readonly Recording[] = readdirSync(folder)
  .filter((name) => /^\d\d-.*\.json$/.test(name))
  .sort()
  .map((name) => readJson(name) as Recording);

/** What became of the agent's command when one member was left out of one document. */
export const neededMembers = readJson("needed-members.json") as { label: string; exit: number; error?: string }[];

/** An exchange as it was replayed. */
export interface Replayed {
  recorded: RecordedExchange;
  status: number;
  body: Json;
  path: string;
}

/** Values of these members are each server's own; that they are there, and of which type, is compared. Ids and names are matched instead. */
const ownValues: ReadonlySet<string> = new Set(
  `AllowDynamicInfrastructure Application Architecture Color Description DisplayName EmailAddress ErrorMessage HasLatestCalamari Id
   InstallationId ItemType ItemsPerPage LastPageNumber MachinePolicyId Name NumberOfPages ShellName ShellVersion Slug SortOrder
   StatusSummary TentacleVersionDetails Thumbprint`.split(/\s+/),
);

export interface ReplayOptions {
  url: string;
  /** Our credentials for those of the recording: API key and bearer token. */
  credentials: Readonly<Record<string, string>>;
  /** Runs before an exchange is sent. */
  before?: (exchange: RecordedExchange) => Promise<void>;
  /** Members of the recorded answers that our answers need not hold, as "Kind.Member" or "Links.Name". */
  absent: ReadonlySet<string>;
  /** Further members whose values need not be the recorded ones. */
  otherValues?: readonly string[];
  /** Status and document of this exchange differ for a stated reason and are not compared. */
  differs?: (exchange: RecordedExchange) => boolean;
  /** Leaves out what our answers give no reason to ask. */
  skips?: (exchange: RecordedExchange) => boolean;
}

/** Replays one command of the agent with a client of its own, and compares each answer with the recorded one. */
export async function replayStep(step: RecordedStep, ids: Map<string, string>, options: ReplayOptions): Promise<Replayed[]> {
  const links = new Map<string, string>();
  const cookies = new Map<string, string>();
  const replayed: Replayed[] = [];
  for (const exchange of step.exchanges) {
    if (options.skips?.(exchange)) continue;
    await options.before?.(exchange);
    const { request } = exchange;
    const path = addressOf(request.path, links, ids);
    const at = `${step.command.slice(1).join(" ")}: ${request.effectiveMethod} ${request.path} (${path})`;
    const headers = headersOf(request.headers, cookies, options.credentials);
    const body = request.body === null ? undefined : JSON.stringify(ours(request.body, ids));
    const answer = await fetch(options.url + path, { method: request.method, headers, ...(body === undefined ? {} : { body }) });
    for (const cookie of answer.headers.getSetCookie()) {
      const [name, value] = cookie.split(";")[0]!.split("=") as [string, string];
      cookies.set(name, value);
    }
    const text = await answer.text();
    const document: Json = text === "" ? null : JSON.parse(text);
    replayed.push({ recorded: exchange, status: answer.status, body: document, path });
    if (options.differs?.(exchange)) continue;
    assert.equal(answer.status, exchange.response.status, `${at}: ${text}`);
    // A client reads nothing out of the answer to a delete.
    if (request.effectiveMethod === "DELETE" && document === null) continue;
    const compared: Compared = { at, ids, links, absent: options.absent, otherValues: options.otherValues ?? [] };
    compare(exchange.response.body, document, "", compared);
    if (request.path.includes("?") && Array.isArray(exchange.response.body?.Items)) {
      assert.equal(document.Items.length, exchange.response.body.Items.length, `${at}: ${text}`);
    }
  }
  return replayed;
}

interface Compared {
  at: string;
  ids: Map<string, string>;
  links: Map<string, string>;
  absent: ReadonlySet<string>;
  otherValues: readonly string[];
}

/** Everything the recorded answer holds stands in ours too; on the way, ids and links are learned. */
function compare(recorded: Json, actual: Json, where: string, told: Compared): void {
  const at = `${told.at}${where}`;
  if (recorded === null || recorded === undefined) return;
  assert.equal(Array.isArray(actual), Array.isArray(recorded), `${at} is of another kind: ${JSON.stringify(actual)}`);
  if (Array.isArray(recorded)) return compareLists(recorded, actual, where, told);
  assert.equal(typeof actual, typeof recorded, `${at} is of another kind: ${JSON.stringify(actual)}`);
  if (typeof recorded !== "object") return;
  assert.ok(actual !== null, `${at} is null`);
  if (typeof recorded.Id === "string") told.ids.set(recorded.Id, actual.Id);
  const kind = /^([A-Za-z]+)-\d+$/.exec(String(recorded.Id))?.[1] ?? (where === "" ? "Document" : where.replace(/^.*\./, ""));
  for (const [member, value] of Object.entries(recorded)) {
    if (member === "Links") {
      for (const [name, link] of Object.entries(value as Record<string, string>)) {
        const own = actual.Links?.[name];
        if (own === undefined && told.absent.has(`Links.${name}`)) continue;
        assert.equal(typeof own, "string", `${at}.Links.${name} is missing`);
        // Clients ask through the links of the roots; the template of a page is for people.
        if (name !== "Template") told.links.set(link, own);
      }
      continue;
    }
    if (told.absent.has(`${kind}.${member}`)) continue;
    assert.notEqual(actual[member], undefined, `${at}.${member} is missing`);
    compare(value, actual[member], `${where}.${member}`, told);
    const plain = typeof value !== "object" && !ownValues.has(member) && !told.otherValues.includes(member);
    if (plain) assert.equal(actual[member], ours(value, told.ids), `${at}.${member}`);
  }
}

function compareLists(recorded: Json[], actual: Json[], where: string, told: Compared): void {
  if (recorded.every((one) => typeof one === "string")) {
    const wanted = recorded.map((one) => ours(one, told.ids));
    if (where.endsWith(".Errors")) return assert.ok(actual.every((one) => typeof one === "string") && actual.length > 0, told.at);
    return assert.deepEqual(new Set(actual), new Set(wanted), `${told.at}${where}`);
  }
  for (const one of recorded) {
    const title = String(one.Name).toLowerCase();
    const found = actual.find((other) => String(other.Name).toLowerCase() === title);
    assert.ok(found !== undefined, `${told.at}${where} holds nothing named '${one.Name}': ${actual.map((other) => other.Name).join(", ")}`);
    compare(one, found, `${where}[${one.Name}]`, told);
  }
}

/** The recorded value with ids, and links that lead to them, as ours. */
function ours(value: Json, ids: Map<string, string>): Json {
  if (typeof value === "string") return ids.get(value) ?? value.replace(/(?<=\/)[A-Za-z]+-\d+(?=\/|$)/g, (id) => ids.get(id) ?? id);
  if (Array.isArray(value)) return value.map((one) => ours(one, ids));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([member, one]) => [member, ours(one, ids)]));
}

/** Where the client goes: the link it took the recorded address from, in our spelling, with the query members that our link offers. */
function addressOf(path: string, links: Map<string, string>, ids: Map<string, string>): string {
  if (path === "/api") return path;
  const [plain, query] = path.split("?") as [string, string?];
  const before = (template: string) => template.replace(/[{?].*$/, "");
  // This one address is built by the client itself from the space's.
  const own = /\/environments\/v2$/.exec(plain)?.[0] ?? "";
  const wanted = plain.slice(0, plain.length - own.length);
  const candidates = [...links].filter(
    ([link]) => before(link) === wanted || (link.includes("{/id}") && wanted.startsWith(`${before(link)}/`)),
  );
  // The longest one; among equals the template, since a page's link to itself is the same address.
  const weight = (link: string) => before(link).length * 2 + (link.includes("{") ? 1 : 0);
  const [recordedLink, ourLink] = candidates.sort(([one], [other]) => weight(other) - weight(one))[0] ?? [];
  assert.ok(recordedLink !== undefined && ourLink !== undefined, `no link of our answers leads to ${path}`);
  const rest = wanted.slice(before(recordedLink).length);
  assert.ok(rest === "" || ourLink.includes("{/id}"), `the link ${ourLink} leads to no single document`);
  const offered = own !== "" ? undefined : (/\{\?([^}]*)\}/.exec(ourLink)?.[1] ?? "").split(",");
  const members = (query ?? "")
    .split("&")
    .map((member) => member.split("=") as [string, string])
    .filter(([name]) => name !== "" && (offered === undefined || offered.includes(name)))
    .map(([name, value]) => `${name}=${ids.get(value) ?? value}`);
  return `${before(ourLink)}${ours(rest, ids)}${own}${members.length === 0 ? "" : `?${members.join("&")}`}`;
}

function headersOf(recorded: Record<string, string>, cookies: Map<string, string>, credentials: Readonly<Record<string, string>>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(recorded)) {
    if (name === "content-length") continue;
    if (name === "cookie") headers.set(name, [...cookies].map((pair) => pair.join("=")).join("; "));
    else if (name === "x-octopus-csrf-token")
      headers.set(
        name,
        [...cookies].find(([cookie]) => cookie.startsWith("Octopus-Csrf-Token"))?.[1] ?? assert.fail("no cookie for the header"),
      );
    else headers.set(name, credentials[value] ?? value);
  }
  return headers;
}
