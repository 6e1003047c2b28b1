// Install tokens through the API: good for one machine within their time, stored as a hash, and told to whoever watches; and the script and
// archive that a machine fetches.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { make, startApiNode } from "../../../../test/support/api-node.ts";
import type { ApiAnswer, ApiNode, Json } from "../../../../test/support/api-node.ts";

let node: ApiNode;
let environment: Json;
const checksAskedFor: string[] = [];
before(async () => {
  node = await startApiNode(undefined, { askForHealthCheck: async (_tx, machine) => void checksAskedFor.push(machine.name) });
  environment = await make.environment(node, "Test");
});
after(() => node.close());

const newToken = (more: object = {}): Promise<Json> =>
  node.post("/api/machines/install-tokens", { EnvironmentIds: [environment.Id], Roles: ["web"], ...more });
/** As a machine: without a key. */
const asMachine = (what: string, body: object): Promise<ApiAnswer> =>
  node.call("POST", `/api/agent/install/${what}`, body, { "X-Octopus-ApiKey": "" });
const registration = (Token: string, name: string, digit: string, more: object = {}) => ({
  Token,
  Thumbprint: digit.repeat(40),
  Uri: "https://10.0.0.7:10933/",
  MachineName: name,
  ...more,
});
const machineNames = async (): Promise<string[]> => (await node.get("/api/machines/all")).map((one: Json) => one.Name);

test("S1: a token is shown once, is stored as a hash, and stands in no event", async () => {
  const made = await newToken();
  assert.match(made.Token, /^CI_[\w-]{43}$/);
  assert.ok(made.ShellLine.includes(`| CUTTLE_INSTALL_TOKEN=${made.Token} sh`) && made.ShellLine.includes(`${node.url}/api/agent/install`));
  assert.equal((await node.get(made.Links.Self)).Token, undefined);
  const listed = (await node.get("/api/machines/install-tokens")).Items.find((one: Json) => one.Id === made.Id);
  assert.deepEqual([listed.State, listed.Token, listed.ShellLine], ["Waiting", undefined, undefined]);
  assert.equal((await asMachine("stages", { Token: made.Token, Stage: "Started", Message: "here" })).status, 200);
  const stored = JSON.stringify(await node.database.query(`SELECT t::text FROM install_tokens t UNION ALL SELECT e::text FROM events e`));
  assert.ok(!stored.includes(made.Token.slice(3)), "the token is in the database");
  const minutes = (new Date(made.Expires).getTime() - new Date(made.Created).getTime()) / 60_000;
  assert.equal(minutes, 60);
});

test("the line for an official agent names environment, roles and style, and no key", async () => {
  const { RegisterWithLine: line } = await newToken({
    CommunicationStyle: "TentacleActive",
    MachineName: "it's here",
    CommsAddress: "cuttle:443",
  });
  assert.match(line, /^Tentacle register-with --instance Tentacle --server 'http:\/\/127\.0\.0\.1:\d+' --apiKey 'API-YOUR-KEY'/);
  assert.match(line, /--environment 'Test' --role 'web' --name 'it'\\''s here' --comms-style TentacleActive/);
  assert.match(line, /--server-comms-address 'https:\/\/cuttle' --server-comms-port 443$/);
});

test("a machine goes through the stages, is registered with what the token says, and its check is asked for at once", async () => {
  const made = await newToken({ MachineName: "Ordered", Roles: [" web ", "db", "web"] });
  const state = async () => (await node.get(made.Links.Self)).State;
  const told = await asMachine("stages", { Token: made.Token, Stage: "Started" });
  assert.deepEqual(
    [told.body.ServerThumbprint, told.body.CommsAddress, told.body.IsRegistered],
    ["ab".repeat(20), "127.0.0.1:10943", false],
  );
  for (const Stage of ["Downloaded", "Failed", "Installed"]) {
    assert.equal((await asMachine("stages", { Token: made.Token, Stage, Message: "words" })).status, 200);
    assert.equal(await state(), Stage);
  }
  const answer = await asMachine("register", registration(made.Token, "host", "1"));
  assert.equal(answer.status, 200, answer.text);
  const machine = await node.get(`/api/machines/${answer.body.MachineId}`);
  assert.deepEqual([machine.Name, machine.Roles, machine.EnvironmentIds], ["Ordered", ["web", "db"], [environment.Id]]);
  assert.deepEqual([machine.Endpoint.CommunicationStyle, machine.Thumbprint], ["TentaclePassive", "1".repeat(40)]);
  assert.ok(checksAskedFor.includes("Ordered"));
  assert.equal(await state(), "Registered");
  await node.database.execute(`UPDATE machines SET health_status = 'Healthy', health_checked_at = now() WHERE id = $1`, [machine.Id]);
  const end = await node.get(made.Links.Self);
  assert.deepEqual(
    end.Stages.map((one: Json) => one.Stage),
    ["Started", "Downloaded", "Failed", "Installed", "Registered", "Healthy"],
  );
  const events = (await node.get(`/api/events?regarding=${made.Id}&take=30`)).Items.map((one: Json) => one.Message);
  assert.equal(events.filter((message: string) => message.startsWith(`Install token ${made.Id}`)).length, 6, events.join("\n"));
});

test("A6: of two machines that use one token at once, one is registered; the other is refused and nothing changes", async () => {
  const made = await newToken();
  const names = ["first", "second", "third", "fourth"];
  const answers = await Promise.all(names.map((name, n) => asMachine("register", registration(made.Token, name, String(n + 1)))));
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((one, other) => one - other),
    [200, 409, 409, 409],
  );
  const winner = names[answers.findIndex(({ status }) => status === 200)]!;
  assert.deepEqual(
    (await machineNames()).filter((name) => names.includes(name)),
    [winner],
  );
  for (const { status, body } of answers)
    if (status === 409) assert.match(body.ErrorMessage, new RegExp(`used already, by the machine ${winner}`));
  // The one that was registered may ask again: its answer may have been lost.
  const again = await asMachine("register", registration(made.Token, winner, String(names.indexOf(winner) + 1)));
  assert.deepEqual([again.status, again.body.MachineName], [200, winner]);
  assert.equal((await machineNames()).filter((name) => name === winner).length, 1);
  assert.equal((await asMachine("stages", { Token: made.Token, Stage: "Started" })).status, 409);
});

test("a token that is late, revoked, unknown or of somebody who may not act any more registers nothing, and says why", async () => {
  const before = await machineNames();
  const refused = async (Token: string, status: number, why: RegExp) => {
    for (const [what, body] of [
      ["register", registration(Token, "refused", "7")],
      ["stages", { Token, Stage: "Started" }],
      ["state", { Token }],
    ] as const) {
      const answer = await asMachine(what, body);
      assert.equal(answer.status, status, `${what}: ${answer.text}`);
      assert.match(answer.body.ErrorMessage, why);
    }
    // A program is told as by every other address; a shell is told what it can do, and its line fails.
    const address = `/api/agent/install?token=${encodeURIComponent(Token)}`;
    const told = await node.call("GET", address, undefined, { "X-Octopus-ApiKey": "", Accept: "application/json" });
    assert.equal(told.status, status, told.text);
    assert.match(told.body.ErrorMessage, why);
    const script = await node.call("GET", address, undefined, { "X-Octopus-ApiKey": "", Accept: "*/*" });
    assert.match(script.headers.get("content-type")!, /^text\/plain/);
    const shell = spawnSync("sh", { input: script.text, encoding: "utf8", timeout: 30_000 });
    assert.equal(shell.status, 1, script.text);
    assert.equal(shell.stdout, "");
    assert.match(shell.stderr, why);
    assert.ok(shell.stderr.includes(`${node.url}/app, open Targets and then Add target`), shell.stderr);
  };
  await refused("CI_nobody-knows-it", 401, /not known/);
  await refused("'; echo $HOME; '", 401, /not known/);
  const revoked = await newToken();
  assert.equal((await node.call("DELETE", revoked.Links.Self)).status, 200);
  await refused(revoked.Token, 403, /revoked/);
  assert.equal((await node.get(revoked.Links.Self)).State, "Revoked");
  const late = await newToken({ LifetimeMinutes: 1 });
  await node.database.execute(`UPDATE install_tokens SET expires_at = now() WHERE id = $1`, [late.Id]);
  await refused(late.Token, 403, /that is over/);
  assert.equal((await node.get(late.Links.Self)).State, "Expired");
  const orphan = await newToken();
  await node.database.execute(`UPDATE users SET is_administrator = false WHERE username = 'admin'`);
  try {
    await refused(orphan.Token, 403, /MachineCreate/);
  } finally {
    await node.database.execute(`UPDATE users SET is_administrator = true WHERE username = 'admin'`);
  }
  assert.deepEqual(await machineNames(), before);
});

test("a name that is taken by another agent leaves the token unspent; the same agent is found again by its name", async () => {
  await make.machine(node, "Taken", [environment.Id]);
  const made = await newToken();
  const refused = await asMachine("register", registration(made.Token, "Taken", "3"));
  assert.equal(refused.status, 400, refused.text);
  assert.equal((await node.get(made.Links.Self)).State, "Waiting");
  const other = await asMachine("register", registration(made.Token, "Free", "3"));
  assert.equal(other.status, 200, other.text);
  const second = await newToken({ Roles: ["moved"] });
  const moved = await asMachine("register", registration(second.Token, "Free", "3", { Uri: "https://10.0.0.8:10933/" }));
  assert.deepEqual([moved.status, moved.body.MachineId], [200, other.body.MachineId], moved.text);
  const machine = await node.get(`/api/machines/${moved.body.MachineId}`);
  assert.deepEqual([machine.Roles, machine.Uri], [["moved"], "https://10.0.0.8:10933/"]);
});

test("bad input for a token is refused, and a used one cannot be revoked", async () => {
  for (const [body, why] of [
    [{ EnvironmentIds: [], Roles: [] }, /environment/],
    [{ EnvironmentIds: ["Environments-999"], Roles: ["web"] }, /Environments-999/],
    [{ EnvironmentIds: [environment.Id], Roles: ["web"], CommsAddress: "a b" }, /CommsAddress/],
    [{ EnvironmentIds: [environment.Id], Roles: ["web"], LifetimeMinutes: 0 }, /LifetimeMinutes/],
    [{ EnvironmentIds: [environment.Id], Roles: ["web"], CommunicationStyle: "None" }, /CommunicationStyle/],
  ] as const) {
    const answer = await node.call("POST", "/api/machines/install-tokens", body);
    assert.equal(answer.status, 400, answer.text);
    assert.match(JSON.stringify(answer.body), why);
  }
  const made = await newToken({ CommunicationStyle: "TentacleActive" });
  const wrongStyle = await asMachine("register", registration(made.Token, "Poller", "5"));
  assert.equal(wrongStyle.status, 400, wrongStyle.text);
  const right = registration(made.Token, "Poller", "5", { Uri: "poll://abcdefghjklmnpqrstuv/" });
  assert.equal((await asMachine("register", right)).status, 200);
  assert.match((await node.call("DELETE", made.Links.Self)).body.ErrorMessage, /used already/);
});

test("the script is whole shell, holds no token, and names the archive that the server hands out, in parts where asked for", async () => {
  const script = await node.call("GET", "/api/agent/install", undefined, { "X-Octopus-ApiKey": "" });
  assert.equal(script.status, 200);
  await promisify(execFile)("sh", ["-n", "-c", script.text]);
  assert.match(script.text, /CUTTLE_INSTALL_TOKEN:-}/);
  const [, file, sha256] = /file='(cuttle-agent-[^']+)' sha256=([0-9a-f]{64})/.exec(script.text)!;
  const whole = await node.call("GET", `/api/agent/download/${file}`, undefined, { "X-Octopus-ApiKey": "" });
  assert.deepEqual([whole.text, whole.headers.get("etag")], ["an archive", `"${sha256}"`]);
  const part = await node.call("GET", `/api/agent/download/${file}`, undefined, { Range: "bytes=3-" });
  assert.deepEqual([part.status, part.text, part.headers.get("content-range")], [206, "archive", "bytes 3-9/10"]);
  assert.equal((await node.call("GET", "/api/agent/download/..%2Fsecret")).status, 404);
});
