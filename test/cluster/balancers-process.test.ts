// Two real nodes behind real load balancers with the configurations of examples/load-balancers: requests reach both nodes, nothing is sticky,
// and a node that is killed under load costs no read and doubles no change.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { connect } from "node:tls";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createClusterApi } from "../support/cluster-api.ts";
import type { ApiAnswer, ClusterApi } from "../support/cluster-api.ts";
import { createCluster, freePort } from "../support/cluster.ts";
import type { Cluster, ServerProcess } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";

const examples = fileURLToPath(new URL("../../examples/load-balancers/", import.meta.url));
const readers = 6;
const writers = 3;
/** Requests of each that come after the kill, so that the balancer has noticed and goes on. */
const requestsAfterKill = 40;
const streamModule = "/usr/lib/nginx/modules/ngx_stream_module.so";

const balancers = [
  {
    name: "HAProxy",
    program: "haproxy",
    file: "haproxy.cfg",
    needs: undefined,
    words: (file: string) => ["-db", "-f", file],
    binds: { web: "bind *:80", agents: "bind *:10943" },
    bind: (port: number) => `bind 127.0.0.1:${port}`,
  },
  {
    name: "nginx",
    program: "nginx",
    file: "nginx.conf",
    needs: streamModule,
    words: (file: string, folder: string) => ["-c", file, "-e", "stderr", "-g", `daemon off; pid ${folder}/nginx.pid;`],
    binds: { web: "listen 80;", agents: "listen 10943;" },
    bind: (port: number) => `listen 127.0.0.1:${port};`,
  },
] as const;

function reasonToSkip(program: string, needs: string | undefined): string | false {
  if (spawnSync(program, ["-v"], { stdio: "ignore" }).error !== undefined) return `there is no ${program} on this machine`;
  if (needs !== undefined && spawnSync("test", ["-e", needs]).status !== 0) return `there is no ${needs} on this machine`;
  return false;
}

for (const balancer of balancers) {
  const skip = reasonToSkip(balancer.program, balancer.needs);
  describe(`two nodes behind ${balancer.name}`, { skip, timeout: 180_000 }, () => {
    let cluster: Cluster;
    let nodes: readonly [ServerProcess, ServerProcess];
    let running: ChildProcess;
    let web: string;
    let agentsPort: number;
    let api: ClusterApi;

    before(async () => {
      cluster = await createCluster();
      const { connectionString } = await (await cluster.postgres()).start();
      const first = await cluster.server({ name: "node-1", connectionString });
      await first.start();
      const second = await cluster.server({ name: "node-2", connectionString, masterKey: await cluster.masterKeyOf(first) });
      await second.start();
      nodes = [first, second];
      const webPort = await freePort();
      agentsPort = await freePort();
      web = `http://127.0.0.1:${webPort}`;
      let text = readFileSync(path.join(examples, balancer.file), "utf8");
      const put = (what: string, by: string): void => {
        assert.ok(text.includes(what), `${balancer.file} has ${what}`);
        text = text.replaceAll(what, by);
      };
      put(balancer.binds.web, balancer.bind(webPort));
      put(balancer.binds.agents, balancer.bind(agentsPort));
      for (const [index, { ready }] of nodes.entries()) {
        put(`node-${index + 1}.internal:8065`, new URL(ready.url).host);
        put(`node-${index + 1}.internal:10943`, `127.0.0.1:${ready.commsPort}`);
        // Only HAProxy asks for the web port beside the agents' one.
        if (balancer.name === "HAProxy")
          text = text.replace(
            `127.0.0.1:${ready.commsPort} check port 8065`,
            `127.0.0.1:${ready.commsPort} check port ${new URL(ready.url).port}`,
          );
      }
      const file = path.join(cluster.root, balancer.file);
      writeFileSync(file, text);
      running = spawn(balancer.program, balancer.words(file, cluster.root), { stdio: "ignore", cwd: cluster.root });
      api = createClusterApi(() => [web]);
      await eventually("the balancer reaches a node", () => api.get("/api"));
    });
    after(async () => {
      if (running?.exitCode === null) {
        running.kill("SIGTERM");
        await once(running, "exit");
      }
      await cluster?.close();
    });

    test("requests reach both nodes, and each reads at once what the other wrote", async () => {
      const seen = new Set<string | null>();
      for (let n = 0; n < 20; n++) {
        const { Id } = await api.create("/api/environments", { Name: `Environment ${n}` });
        // Twice, so that one of them comes to the other node also when they take turns.
        for (let time = 0; time < 2; time++) {
          const answer = await api.once(web, "GET", `/api/environments/${Id}`);
          assert.deepEqual([answer.status, answer.body.Name], [200, `Environment ${n}`]);
          seen.add(answer.headers.get("octopus-node"));
        }
      }
      assert.deepEqual(seen, new Set(["node-1", "node-2"]));
    });

    test("S1: a key that is deleted through the balancer is refused by every node at the next request", async () => {
      const me = await api.get("/api/users/me");
      const key = await api.create(`/api/users/${me.Id}/apikeys`, { Purpose: "to be deleted" });
      const use = (url: string): Promise<ApiAnswer> => api.once(url, "GET", "/api/users/me", undefined, { "X-Octopus-ApiKey": key.ApiKey });
      for (const { ready } of nodes) assert.equal((await use(ready.url)).status, 200);
      assert.equal((await api.once(web, "DELETE", `/api/users/${me.Id}/apikeys/${key.Id}`)).status, 200);
      for (const { ready } of nodes) assert.equal((await use(ready.url)).status, 401);
    });

    test("S4: agents see the cluster's own certificate through the balancer", async () => {
      const socket = connect({ host: "127.0.0.1", port: agentsPort, rejectUnauthorized: false });
      await once(socket, "secureConnect");
      assert.equal(socket.getPeerCertificate().fingerprint.replaceAll(":", ""), nodes[0].ready.thumbprint);
      socket.destroy();
    });

    test("A1 D9: a node that is killed under load costs no read, and no change is made twice", async () => {
      const me = await api.get("/api/users/me");
      const made: string[] = [];
      let killed = false;
      let reads = 0;
      const failures: string[] = [];
      async function loop(work: (turn: number) => Promise<void>): Promise<void> {
        for (let turn = 0, left = requestsAfterKill; left > 0; turn++) {
          await work(turn);
          if (killed) left -= 1;
        }
      }
      const read = async (): Promise<void> => {
        const answer = await api.once(web, "GET", "/api/users/me").catch((error: unknown) => String(error));
        reads += 1;
        if (typeof answer === "string" || answer.status !== 200) failures.push(typeof answer === "string" ? answer : answer.text);
      };
      const write = async (writer: number, turn: number): Promise<void> => {
        const Purpose = `${writer}-${turn}`;
        // One try: whether a change that broke off was made is what the balancer must not decide.
        const answer = await api.once(web, "POST", `/api/users/${me.Id}/apikeys`, { Purpose }).catch(() => undefined);
        if (answer?.status === 201) made.push(Purpose);
      };
      const load = Promise.all([
        ...Array.from({ length: readers }, () => loop(read)),
        ...Array.from({ length: writers }, (_, writer) => loop((turn) => write(writer, turn))),
      ]);
      await eventually("the load is on", () => reads > 100);
      await nodes[1].kill();
      killed = true;
      await load;
      assert.deepEqual(failures, [], `of ${reads} reads`);
      const { Items } = await api.get(`/api/users/${me.Id}/apikeys?take=100000`);
      const purposes: string[] = Items.map((key: { Purpose: string }) => key.Purpose);
      assert.equal(purposes.length, new Set(purposes).size, "no change was made twice");
      assert.deepEqual(
        made.filter((purpose) => !purposes.includes(purpose)),
        [],
        "what was acknowledged is there",
      );
    });
  });
}
