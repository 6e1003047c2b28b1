// The requests of an unmodified listening agent that registers, registers again, forces, and deregisters, as they were recorded.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import type { Json } from "../../../../test/support/api-node.ts";

interface Recording {
  steps: {
    command: string[];
    exchanges: { method: string; path: string; status: number; headers: Record<string, string>; body?: Json }[];
  }[];
}

test("an agent's recorded requests get answers in which it finds what it looks for", async (t) => {
  const recording = JSON.parse(await readFile(new URL("./fixtures/listening-agent-requests.json", import.meta.url), "utf8")) as Recording;
  const node = await startApiNode(t);
  await make.environment(node, "Test");
  const machines: Json[] = [];
  for (const step of recording.steps) {
    for (const { method, path, status, headers, body } of step.exchanges) {
      const answer = await node.call(method, path, body === undefined ? undefined : JSON.stringify(body), headers);
      assert.equal(answer.status, status, `${step.command.join(" ")}: ${method} ${path}: ${answer.text}`);
      if (path === "/api")
        for (const link of ["CurrentUser", "Spaces", "CertificateConfiguration", "SignIn"]) assert.ok(answer.body.Links[link], link);
      if (path === "/api/users/me") assert.equal(answer.body.Links.Spaces, "/api/users/Users-1/spaces");
      if (path.endsWith("/spaces"))
        assert.ok(answer.body.some((space: Json) => space.IsDefault && space.Links.SpaceHome === "/api/Spaces-1"));
      if (path.includes("certificate-global")) assert.match(answer.body.Thumbprint, /^[0-9A-F]{40}$/);
      if (path.includes("environments/v2")) assert.ok(answer.body.Items.some((one: Json) => one.Name === "Test" && one.Type === "Static"));
      if (path.includes("/machines/all"))
        assert.deepEqual(
          answer.body.map((one: Json) => one.Links.Self),
          ["/api/Spaces-1/machines/Machines-1"],
        );
      if (path.includes("/machines/Machines-1") && answer.body) machines.push(answer.body);
    }
  }
  assert.deepEqual(
    machines.map((machine) => [machine.Endpoint.CommunicationStyle, machine.Roles]),
    [["web"], ["web", "db"], ["web", "db"]].map((roles) => ["TentaclePassive", roles]),
  );
  assert.equal((await node.get("/api/machines")).TotalResults, 0);
});
