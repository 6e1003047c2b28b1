// What a real agent asked when it registered, was told about further nodes and left again: all its recorded conversations, with our
// answers. Each scenario begins with what its recording's server had, and ends with the targets and workers that must be left.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startApiNode } from "../../test/support/api-node.ts";
import type { ApiNode, Json } from "../../test/support/api-node.ts";
import { neededMembers, recordings, replayStep } from "../../test/support/agent-rest-recordings.ts";
import type { RecordedExchange, Replayed, ReplayOptions } from "../../test/support/agent-rest-recordings.ts";
import { hashPassword } from "../platform/secrets/secrets.ts";

let node: ApiNode;
const replayedOf = new Map<string, Replayed[]>();

before(async () => {
  node = await startApiNode(undefined);
  const setUp = [
    node.database.execute(`UPDATE users SET username = 'labadmin', password_hash = $1 WHERE username = 'admin'`, [
      await hashPassword("Password01!"),
    ]),
    node.post("/api/environments", { Name: "Test" }),
    node.post("/api/environments", { Name: "Production" }),
    node.post("/api/machinepolicies", { Name: "Gentle" }),
    node.post("/api/proxies", { Name: "DMZ Proxy", Host: "proxy.example", Port: 3128 }),
    node.post("/api/workerpools", { Name: "Linux Workers" }),
    node.post("/api/tagsets", { Name: "Region", Tags: [{ Name: "North" }, { Name: "South" }] }),
  ];
  for (const one of setUp) await one;
  await node.post("/api/tenants", { Name: "Acme", TenantTags: ["Region/North"] });
  await node.post("/api/tenants", { Name: "Bravo" });
  const second = await node.post("/api/spaces", { Name: "Second Space" });
  await node.post(`/api/${second.Id}/environments`, { Name: "Test" });
});
after(() => node.close());

/** Members of the stub's answers that no client reads. */
const absent: ReadonlySet<string> = new Set([
  "Document.FullException",
  "Endpoint.LastModifiedBy",
  "Endpoint.LastModifiedOn",
  "Links.Public",
  "Machines.OperatingSystemVersion",
  "TagSets.Slug",
  "Workers.OperatingSystemVersion",
]);

const isCreate = (exchange: RecordedExchange) => exchange.request.effectiveMethod === "POST" && exchange.request.path.endsWith("/machines");
const isV2 = (exchange: RecordedExchange) => exchange.request.path.includes("/environments/v2");
const machine = (Name: string): Json => ({
  Name,
  EnvironmentIds: ["Environments-1"],
  Roles: ["web"],
  Endpoint: { CommunicationStyle: "None" },
});

interface Counterpart extends Pick<ReplayOptions, "before" | "differs" | "skips" | "otherValues"> {
  /** What differs from the recording, and why. */
  because: string;
  begin?: () => Promise<unknown>;
  end?: () => Promise<unknown>;
}

/** Scenarios in which the recording's stub did what our server does not do by itself, and what stands in its place. */
const counterparts: Record<string, Counterpart> = {
  "register-listening-environments-v2-absent": {
    because: "our server has environments/v2, so a client does not go on to environments; they are answered when it does",
    differs: isV2,
  },
  "register-listening-environments-v2-absent-slug-and-id": {
    because: "as before; the slug is that of an environment with another name",
    begin: () => node.put("/api/environments/production", { Name: "Live" }),
    differs: isV2,
    end: () => node.put("/api/environments/production", { Name: "Production" }),
  },
  "register-listening-name-filter-ignored-paged": {
    because: "our server obeys the filter, so that the first page holds the machine and there is no next one",
    begin: async () => {
      for (const name of ["m0", "m1", "m2", "WEB01"]) await node.post("/api/machines", machine(name));
    },
    differs: ({ request }) => request.path.includes("name=web01"),
    skips: ({ request }) => request.path.includes("skip="),
  },
  "fail-old-server-version": { because: "our server reports a version that agents accept", otherValues: ["Version"] },
  "fail-api-version": { because: "our server reports a version of the API that agents accept", otherValues: ["ApiVersion"] },
  "fail-validation-from-server": {
    because: "the refused name is one that another registration took in the meantime",
    before: async (exchange) => void (isCreate(exchange) && (await node.post("/api/machines", machine("WEB01")))),
  },
  "fail-forbidden": {
    because: "a user is an administrator or has no permission so far; this one loses it just before the last request",
    before: async (exchange) => void (isCreate(exchange) && (await setAdministrator(false))),
    end: () => setAdministrator(true),
  },
  "fail-server-error": {
    because: "the fault is a table that is not there",
    before: async (exchange) =>
      void (isCreate(exchange) && (await node.database.execute(`ALTER TABLE machine_environments RENAME TO lost`))),
    end: async () => {
      await node.database.execute(`ALTER TABLE lost RENAME TO machine_environments`);
      assert.equal(node.faults.splice(0).length, 1);
    },
  },
};

const setAdministrator = (is: boolean) => node.database.execute(`UPDATE users SET is_administrator = $1 WHERE username = 'labadmin'`, [is]);

describe("a recorded agent finds what it looks for:", () => {
  for (const { scenario, steps } of recordings) {
    const counterpart = counterparts[scenario];
    test(scenario + (counterpart === undefined ? "" : ` (${counterpart.because})`), async () => {
      await node.database.execute(`DELETE FROM machines`);
      await node.database.execute(`DELETE FROM workers`);
      await counterpart?.begin?.();
      const ids = new Map<string, string>();
      const replayed: Replayed[] = [];
      let left = (await node.get("/api/machines?take=0")).TotalResults;
      try {
        for (const step of steps) {
          const credentials = { "API-LABLABLABLABLABLABLABLABLAB": node.adminKey, "Bearer lab-token": `Bearer ${node.adminKey}` };
          replayed.push(...(await replayStep(step, ids, { url: node.url, credentials, absent, ...counterpart })));
        }
      } finally {
        await counterpart?.end?.();
      }
      replayedOf.set(scenario, replayed);
      for (const { recorded, status } of replayed) {
        const { effectiveMethod } = recorded.request;
        if (status === 201) left += 1;
        if (effectiveMethod === "DELETE") left -= 1;
      }
      const [row] = await node.database.query<{ n: number }>(
        `SELECT (SELECT count(*) FROM machines) + (SELECT count(*) FROM workers) AS n`,
      );
      assert.equal(row!.n, left + (scenario === "fail-validation-from-server" ? 1 : 0));
      assert.deepEqual(node.faults, []);
    });
  }
});

/** The documents that needed-members.json speaks of, among the answers of one replayed scenario. */
const documents: Record<string, (answers: Replayed[]) => Json> = {
  root: (answers) => answers.find((one) => one.path === "/api")!.body,
  "current user": (answers) => answers.find((one) => one.path === "/api/users/me")!.body,
  "space in list": (answers) => answers.find((one) => one.path.endsWith("/spaces"))!.body[0],
  "space root": (answers) => answers.find((one) => one.recorded.request.path === "/api/Spaces-1")!.body,
  certificate: (answers) => answers.find((one) => one.path.includes("certificate-global"))!.body,
  "machine list": (answers) => answers.find((one) => one.path.includes("/machines?"))!.body,
  "environments v2": (answers) => answers.find((one) => isV2(one.recorded))!.body,
  "environment in v2": (answers) => answers.find((one) => isV2(one.recorded))!.body.Items[0],
  "machine policy": (answers) => answers.find((one) => one.path.includes("/machinepolicies?"))!.body.Items[0],
  "created machine (answer to POST)": (answers) => answers.find((one) => one.status === 201)!.body,
  "created machine (GET after POST)": (answers) => answers.at(-1)!.body,
  "deregister: machine": (answers) => answers.find((one) => one.path.includes("/machines/all?"))!.body[0],
};

test("every member without which an agent's command fails stands in our answers", () => {
  let checked = 0;
  for (const { label, exit, error } of neededMembers) {
    const [, name, member] = /^(.*) without (\S+)$/.exec(label) ?? [];
    if (exit === 0 || name === undefined || member === undefined) continue;
    const scenario = name.startsWith("deregister") ? "deregister-from" : "register-listening-all-options";
    const document = documents[name] ?? assert.fail(`no document for '${label}'`);
    const value = member.split(".").reduce((one: Json, part) => one?.[part], document(replayedOf.get(scenario)!));
    assert.ok(value !== undefined && value !== null, `${label}: ${error}`);
    checked += 1;
  }
  assert.ok(checked > 15, `only ${checked} members were checked`);
});
