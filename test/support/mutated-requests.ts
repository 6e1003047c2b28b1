// Requests nobody would send: valid ones with members of the wrong type, unknown and huge ids, deep and long JSON, bytes that are no JSON and
// content types that are none, drawn from a seed and sent to every route of a node. Judged: no answer is the server's own fault, what is
// refused says why and changes nothing, and what changes has its event in the same transaction.

import type { ApiAnswer, ApiNode, Json } from "./api-node.ts";
import type { Route } from "../../server/platform/http/http.ts";
import { createRandom } from "../trials/random.ts";
import { watchChanges } from "./change-watch.ts";
import { titleOf } from "./sample-requests.ts";
import type { SampleRequest, SampleRequests } from "./sample-requests.ts";

export interface FuzzReport {
  sent: number;
  /** How many answers had each status. */
  statuses: Record<string, number>;
  faults: string[];
}

/** What may change without an event: memory of the server about itself, and nothing that a person set. */
const tablesWithoutEvents: Record<string, string> = {
  idempotency_keys: "the stored answer of a repeatable request is no change of its own",
  api_keys: "the time of last use",
  sessions: "a session that is signed out, or used",
  commit_marks: "how a lost commit is found again",
  sign_in_failures: "counts wrong passwords, which is why the attempt is refused",
  package_uploads: "which files are being taken in, so that what a killed node left is found",
  artifact_files: "which files lie in the shared folder; the artifact that names one has its event",
  package_files: "which files lie in the shared folder; the package that names one has its event",
};

/** Faults of one run; more would only repeat themselves. */
const faultsMax = 20;
const longListEntries = 12_000;
const deepLevels = 5_000;

const oddities: readonly unknown[] = [
  null,
  "",
  " ",
  "x",
  "\u0000",
  "\ud800",
  "a".repeat(5_000),
  "'; DROP TABLE spaces; --",
  "%00",
  "../..",
  "😀".repeat(300),
  0,
  -1,
  1.5,
  1e308,
  2 ** 31,
  2 ** 53,
  true,
  false,
  [],
  [[]],
  [null],
  {},
  { a: 1 },
  "Projects-1",
  "projects-1",
  "Projects-99999999999999999999",
  `Projects-${"9".repeat(300)}`,
  "9999-99-99",
  "2026-01-31",
  "[1.0,",
  "(((((",
  "#{Octopus.Version.NextPatch",
  { HasValue: true },
  { HasValue: true, NewValue: "s" },
  { __proto__: null, constructor: 1 },
  Array.from({ length: 300 }, () => "x"),
];
const strangeIds = [
  "Projects-1",
  "x",
  "é",
  "1.0.0",
  "'",
  "all",
  "..",
  "%",
  "9".repeat(400),
  "Projects-99999999999999999999",
  "null",
  "a b",
];
const strangeQueries: readonly [string, readonly string[]][] = [
  ["skip", ["-1", "abc", "0", "2147483647", "2147483648", "1e3"]],
  ["take", ["-1", "abc", "0", "2147483647", "99999999999"]],
  ["ids", ["a,b", "\u0000", "", ",,,", Array.from({ length: 500 }, (_, n) => `X-${n}`).join(",")]],
  ["name", ["", "\u0000", "%", "x".repeat(3_000)]],
  ["partialName", ["%", "\\", "_", "'"]],
  ["from", ["2026-01-01", "abc", "9999-99-99"]],
  ["states", ["Success,Nothing"]],
  ["tail", ["-1", "7"]],
  ["projects", ["Projects-1,x"]],
  ["tags", ["a/b", "/"]],
  ["versionRange", ["[1.0,", "1"]],
  ["version", ["x", "1.0"]],
  ["releaseHistoryCount", ["-1", "3", "999999"]],
  ["port", ["0", "70000"]],
];
const strangeTypes = [
  "text/plain",
  "application/xml",
  "multipart/form-data",
  "application/json; charset=utf-16",
  "x",
  "application/octet-stream",
];

interface Drawn extends SampleRequest {
  says: string;
}

/** Routes that a random body cannot take the ground from under: it may delete what it likes, but not the only node or space. */
export function fuzzedRoutes(routes: readonly Route[]): Route[] {
  // Streams of events never end; their own tests send them what nobody should.
  return routes.filter(
    (route) => route.answer !== "events" && !(route.changes && /^\/(octopusservernodes|spaces|maintenanceconfiguration)/.test(route.path)),
  );
}

/** Sends so many requests to each route, or until `untilMs` of Date.now(). */
export async function sendMutatedRequests(parts: {
  node: ApiNode;
  samples: SampleRequests;
  routes: readonly Route[];
  seed: number;
  rounds: number;
  untilMs?: number;
}): Promise<FuzzReport> {
  const { node, samples, seed } = parts;
  const random = createRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const watch = await watchChanges(node.database);
  const report: FuzzReport = { sent: 0, statuses: {}, faults: [] };

  function mutate(value: Json, depth = 0): Json {
    const roll = random();
    if (roll < 0.12 || depth > 6) return pick(oddities);
    if (Array.isArray(value)) {
      if (value.length === 0 || roll < 0.25) return [pick(oddities)];
      if (roll < 0.3) return Array.from({ length: longListEntries }, () => value[0] as unknown);
      return value.map((one) => (random() < 0.5 ? one : mutate(one, depth + 1)));
    }
    if (typeof value === "object" && value !== null) {
      const changed = Object.entries(value)
        .filter(() => random() > 0.1)
        .map(([name, member]) => [random() < 0.2 ? name.toUpperCase() : name, random() < 0.6 ? member : mutate(member, depth + 1)]);
      const strange: [string, unknown][] = [
        ["__proto__", { polluted: true }],
        [pick(["constructor", "toString", "x"]), 1],
      ];
      return Object.fromEntries(random() < 0.2 ? [...changed, ...strange] : changed);
    }
    return random() < 0.5 ? pick(oddities) : value;
  }

  function strangeBody(sample: unknown): { body: unknown; headers?: Record<string, string> } {
    const roll = random();
    if (roll < 0.04) return { body: `${"[".repeat(deepLevels)}${"]".repeat(deepLevels)}` };
    if (roll < 0.08) return { body: `{"Name":`.repeat(deepLevels) };
    if (roll < 0.11) return { body: new Uint8Array([0xff, 0xfe, 0x7b, 0x00, 0x7d]) };
    if (roll < 0.14) return { body: "" };
    if (roll < 0.2) return { body: JSON.stringify(sample ?? {}), headers: { "Content-Type": pick(strangeTypes) } };
    return { body: mutate(structuredClone(sample) ?? {}) };
  }

  async function draw(route: Route): Promise<Drawn> {
    const title = titleOf(route);
    const sample: SampleRequest = route.changes
      ? await samples.changes[title]!()
      : { path: samples.addressOf(route), body: samples.questions[title] };
    let { path } = sample;
    if (random() < 0.3 && route.path.includes("{")) {
      const base = route.path.startsWith("/nuget") ? "" : "/api";
      path = base + route.path.replace(/\{\w+\}/g, () => encodeURIComponent(pick(strangeIds)));
    }
    if (random() < 0.4) {
      const [name, values] = pick(strangeQueries);
      path += `${path.includes("?") ? "&" : "?"}${name}=${encodeURIComponent(pick(values))}`;
    }
    if (route.uploadBytesMax !== undefined) {
      const bytes = sample.body as Uint8Array | string;
      const cut = bytes === undefined ? undefined : bytes.slice(0, Math.floor(random() * bytes.length));
      return { path, body: random() < 0.5 ? cut : bytes, ...(sample.headers ? { headers: sample.headers } : {}), says: "a file" };
    }
    const wanted = route.method === "GET" || route.method === "DELETE" ? { body: undefined } : strangeBody(sample.body);
    const headers = { ...sample.headers, ...("headers" in wanted ? wanted.headers : {}) };
    const text = typeof wanted.body === "string" ? wanted.body : (JSON.stringify(wanted.body) ?? "");
    return { path, body: wanted.body, headers, says: text.length > 400 ? `${text.slice(0, 400)}… (${text.length})` : text };
  }

  function judge(answer: ApiAnswer): string | undefined {
    if (answer.status >= 500) return `answered ${answer.status}: ${answer.text} ${node.faults.map((one) => String(one.error)).join("\n")}`;
    if (answer.status < 400) return undefined;
    if (answer.status === 404 && answer.body?.Errors === null && answer.body.ErrorMessage !== "") return undefined;
    const errors: unknown = answer.body?.Errors;
    if (!Array.isArray(errors) || errors.length === 0 || errors.some((one) => typeof one !== "string"))
      return `refused with ${answer.status} without saying why: ${answer.text.slice(0, 400)}`;
    return undefined;
  }

  for (let round = 0; round < parts.rounds; round++) {
    for (const route of parts.routes) {
      if (parts.untilMs !== undefined && Date.now() > parts.untilMs) return report;
      const request = await draw(route);
      await watch.look();
      const answer = await node.call(route.method, request.path, request.body, request.headers);
      report.sent++;
      report.statuses[answer.status] = (report.statuses[answer.status] ?? 0) + 1;
      const wrong = [judge(answer)];
      for (const { tables } of await watch.look()) {
        const changed = tables.filter((table) => table !== "events" && !(table in tablesWithoutEvents));
        if (changed.length > 0 && !tables.includes("events")) wrong.push(`changed ${changed.join(", ")} without an event`);
        if (changed.length > 0 && answer.status >= 400) wrong.push(`was refused with ${answer.status} and changed ${changed.join(", ")}`);
      }
      for (const one of wrong) {
        if (one === undefined) continue;
        report.faults.push(`seed ${seed} round ${round}: ${titleOf(route)} as ${request.path.slice(0, 300)} with ${request.says} ${one}`);
      }
      if (report.faults.length >= faultsMax) return report;
    }
  }
  return report;
}
