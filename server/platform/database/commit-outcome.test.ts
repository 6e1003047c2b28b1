// D1 D3: a connection cut exactly at COMMIT. Whatever became of the transaction, what the API tells is true and nothing is there twice: the
// mark that the transaction left is read back. Deployments are created, which have no name that would forbid a second one.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { make, startApiNode } from "../../../test/support/api-node.ts";
import type { ApiNode } from "../../../test/support/api-node.ts";
import { startCommitCutter, cuts } from "../../../test/support/commit-cutter.ts";
import type { CommitCutter, Cut } from "../../../test/support/commit-cutter.ts";
import { eventually } from "../../../test/support/eventually.ts";
import { startPostgres } from "../../../test/support/postgres.ts";
import { CommitOutcomeUnknown, openDatabase } from "./database.ts";
import type { Database } from "./database.ts";

const rounds = 4;

describe("a connection cut at COMMIT", () => {
  let cutter: CommitCutter;
  let node: ApiNode;
  let admin: Database;
  let releaseId: string;
  let environmentId: string;
  /** The next cuts of the transaction that holds this text, in order. */
  let wanted: { needle: string; cuts: Cut[] } | undefined;

  before(async () => {
    const { adminConnection } = await startPostgres();
    admin = openDatabase({ connection: adminConnection, applicationName: "test-support", connectionsMax: 1 });
    node = await startApiNode(undefined, {
      through: async (connection) => {
        cutter = await startCommitCutter({
          target: connection,
          choose: (transaction) => (wanted !== undefined && transaction.includes(wanted.needle) ? wanted.cuts.shift() : undefined),
          late: () => eventually("the repeat waits for the first attempt", isWaiting),
        });
        return { ...connection, host: "127.0.0.1", port: cutter.port };
      },
    });
    const environment = await make.environment(node, "Test");
    environmentId = environment.Id;
    await make.machine(node, "web-1", [environmentId]);
    const project = await make.project(node, "Shop");
    await make.process(node, project.Id);
    releaseId = (await make.release(node, project.Id, "1.0.0")).Id;
  });
  after(async () => {
    await node?.close();
    await cutter?.close();
    await admin?.close();
  });

  async function isWaiting(): Promise<boolean> {
    const [row] = await admin.query<{ waiting: boolean }>(
      `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'cuttle-test-api' AND wait_event_type = 'Lock') AS waiting`,
    );
    return row!.waiting;
  }

  async function countOf(comment: string): Promise<number> {
    const listed = await node.get("/api/deployments?take=1000");
    return listed.Items.filter((item: { Comments: string }) => item.Comments === comment).length;
  }

  async function deploy(comment: string, itsCuts: Cut[], headers: Record<string, string> = {}) {
    wanted = { needle: headers["Idempotency-Key"] ?? comment, cuts: itsCuts };
    const answer = await node.call(
      "POST",
      "/api/deployments",
      { ReleaseId: releaseId, EnvironmentId: environmentId, Comments: comment },
      headers,
    );
    assert.deepEqual(wanted.cuts, [], "each cut took place");
    wanted = undefined;
    return answer;
  }

  for (const cut of cuts) {
    test(`${cut}: the caller is told that it is created, and it is there once`, async () => {
      for (let round = 1; round <= rounds; round++) {
        const comment = `cut ${cut} ${round}`;
        const answer = await deploy(comment, [cut]);
        assert.equal(answer.status, 201, answer.text);
        assert.equal(await countOf(comment), 1);
        assert.equal((await node.get(`/api/deployments/${answer.body.Id}`)).Comments, comment, "what was told is what is there");
        const events = await node.get(`/api/events?regarding=${answer.body.Id}&take=100`);
        assert.equal(events.Items.length, 1, JSON.stringify(events.Items));
      }
    });
  }

  test("several cuts one after the other, and a repeat under an Idempotency-Key", async () => {
    const comment = "cut again and again";
    const headers = { "Idempotency-Key": "cut-again" };
    const first = await deploy(comment, ["before", "late"], headers);
    assert.equal(first.status, 201, first.text);
    const again = await deploy(comment, ["answered"], headers);
    assert.equal(again.status, 201, again.text);
    assert.equal(again.body.Id, first.body.Id);
    assert.equal(await countOf(comment), 1);
  });

  test("a refusal after a cut is as true as one without", async () => {
    wanted = { needle: "Unique Name", cuts: ["before"] };
    assert.equal((await node.call("POST", "/api/environments", { Name: "Unique Name" })).status, 201);
    const refused = await node.call("POST", "/api/environments", { Name: "Unique Name" });
    assert.equal(refused.status, 400, refused.text);
    wanted = { needle: "Another Name", cuts: ["answered"] };
    assert.equal((await node.call("POST", "/api/environments", { Name: "Another Name" })).status, 201);
    wanted = undefined;
  });

  test("a transaction that asks for no reading back says that its outcome is not known", async () => {
    wanted = { needle: "for-the-mark", cuts: ["answered"] };
    await assert.rejects(
      node.database.transaction((tx) => tx.query("SELECT $1::text", ["for-the-mark"])),
      CommitOutcomeUnknown,
    );
    wanted = undefined;
  });
});
