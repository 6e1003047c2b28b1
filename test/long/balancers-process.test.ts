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
import { createObserver } from "../support/observer.ts";
import type { ObservedProject, Observer } from "../support/observer.ts";

const examples = fileURLToPath(new URL("../../examples/load-balancers/", import.meta.url));
const readers = 6;
const writers = 3;
/** Requests of each that come after what happens, so that the balancer has noticed and goes on. */
const requestsAfterwards = 40;
/** A balancer looks every half second; its node waits for that when it stops. */
const environment = { CUTTLE_STOP_DELAY: "2", ADMIN_PASSWORD: "a password of some length" };
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
    let observer: Observer;
    let project: ObservedProject;

    before(async () => {
      cluster = await createCluster();
      const { connectionString } = await (await cluster.postgres()).start();
      const first = await cluster.server({ name: "node-1", connectionString, environment });
      await first.start();
      const second = await cluster.server({ name: "node-2", connectionString, masterKey: await cluster.masterKeyOf(first), environment });
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
      observer = createObserver({ folder: path.join(cluster.root, "observed"), api });
      const agent = await cluster.agent({ name: "web-1", trust: first.ready.thumbprint });
      await agent.start();
      project = await observer.prepare({
        name: "shop",
        environments: 2,
        machines: [{ name: "web-1", port: agent.port, thumbprint: agent.ready.thumbprint }],
        steps: Array.from({ length: 3 }, () => ({ lines: 5, pauseMs: 100 })),
      });
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

    /** Reads, changes and deployments all the while that `happening` takes, and some time after. Whatever breaks off or is doubled is told. */
    async function underLoad(name: string, happening: () => Promise<void>): Promise<void> {
      const me = await api.get("/api/users/me");
      const made: string[] = [];
      let isOver = false;
      let reads = 0;
      const failures: string[] = [];
      async function loop(work: (turn: number) => Promise<void>): Promise<void> {
        for (let turn = 0, left = requestsAfterwards; left > 0; turn++) {
          await work(turn);
          if (isOver) left -= 1;
        }
      }
      const read = async (): Promise<void> => {
        const answer = await api.once(web, "GET", "/api/users/me").catch((error: unknown) => String(error));
        reads += 1;
        if (typeof answer === "string" || answer.status !== 200) failures.push(typeof answer === "string" ? answer : answer.text);
      };
      const write = async (writer: number, turn: number): Promise<void> => {
        const Purpose = `${name}-${writer}-${turn}`;
        // One try: whether a change that broke off was made is what the balancer must not decide.
        const answer = await api.once(web, "POST", `/api/users/${me.Id}/apikeys`, { Purpose }).catch(() => undefined);
        if (answer?.status === 201) made.push(Purpose);
      };
      const load = Promise.all([
        ...Array.from({ length: readers }, () => loop(read)),
        ...Array.from({ length: writers }, (_, writer) => loop((turn) => write(writer, turn))),
      ]);
      const deployments = [await observer.deploy(project, 0), await observer.deploy(project, 1)];
      await eventually("the load is on", () => reads > 100);
      await happening();
      isOver = true;
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
      for (const deployment of deployments) {
        assert.equal((await observer.final(deployment)).State, "Success");
        assert.deepEqual(await observer.faultsOf(deployment), []);
      }
    }

    const drain = async (IsInMaintenanceMode: boolean): Promise<void> => {
      await api.put("/api/octopusservernodes/OctopusServerNodes-node-2", { IsInMaintenanceMode });
    };
    const answering = async (): Promise<Set<string | null>> => {
      const answers = await Promise.all(Array.from({ length: 12 }, () => api.once(web, "GET", "/api")));
      return new Set(answers.map((answer) => answer.headers.get("octopus-node")));
    };

    test("A1 D2 D9: a node that is drained under load costs no read and no deployment, and no change is made twice", async () => {
      await underLoad("drained", async () => {
        await drain(true);
        // Its record is read by the node every two seconds; nginx asks nobody, and a drained node serves requests as before.
        await eventually(
          "the node knows",
          async () => (await api.once(nodes[1].ready.url, "GET", "/api/octopusservernodes/ping")).status === 418,
        );
        if (balancer.name === "HAProxy") await eventually("it gets nothing new", async () => !(await answering()).has("node-2"));
      });
      await drain(false);
      await eventually("it is asked again", async () => (await answering()).has("node-2"));
    });

    test("A1 D2 D9: a node that is stopped under load costs no read and no deployment, and no change is made twice", async () => {
      await underLoad("stopped", async () => assert.equal(await nodes[1].stop(), 0));
      await nodes[1].start();
      await eventually("it is asked again", async () => (await answering()).has("node-2"));
    });

    test("S1: a session that began on one node holds on every node, and ends on all when it is signed out", async () => {
      const own = { "X-Octopus-ApiKey": "" };
      const signedIn = await api.once(web, "POST", "/api/users/login", { Username: "admin", Password: environment.ADMIN_PASSWORD }, own);
      assert.equal(signedIn.status, 200, signedIn.text);
      const cookies = signedIn.headers.getSetCookie().map((one) => one.split(";")[0]!);
      const session = { ...own, Cookie: cookies.join("; ") };
      const me = (url: string): Promise<ApiAnswer> => api.once(url, "GET", "/api/users/me", undefined, session);
      for (const { ready } of nodes) assert.equal((await me(ready.url)).body.Username, "admin");
      const token = decodeURIComponent(cookies.find((one) => /csrf/i.test(one))!.replace(/^[^=]*=/, ""));
      const signedOut = await api.once(web, "POST", "/api/users/logout", {}, { ...session, "X-Octopus-Csrf-Token": token });
      assert.equal(signedOut.status, 200, signedOut.text);
      for (const { ready } of nodes) assert.equal((await me(ready.url)).status, 401);
    });

    test("S1: a user who is disabled through the balancer is refused by every node at the next request, with session and key", async () => {
      const user = await api.create("/api/users", { Username: "passer-by", Password: "a password of some length" });
      const own = { "X-Octopus-ApiKey": "" };
      const signedIn = await api.once(
        web,
        "POST",
        "/api/users/login",
        { Username: "passer-by", Password: "a password of some length" },
        own,
      );
      assert.equal(signedIn.status, 200, signedIn.text);
      const cookies = signedIn.headers.getSetCookie().map((one) => one.split(";")[0]!);
      const key = await api.create(`/api/users/${user.Id}/apikeys`, { Purpose: "as long as it lasts" });
      const waysIn = [{ ...own, Cookie: cookies.join("; ") }, { "X-Octopus-ApiKey": key.ApiKey as string }];
      const statuses = (): Promise<number[]> =>
        Promise.all(
          nodes.flatMap(({ ready }) =>
            waysIn.map(async (headers) => (await api.once(ready.url, "GET", "/api/users/me", undefined, headers)).status),
          ),
        );
      assert.deepEqual(await statuses(), [200, 200, 200, 200]);
      await api.put(`/api/users/${user.Id}`, { ...user, IsActive: false });
      assert.deepEqual(await statuses(), [401, 401, 401, 401]);
    });

    test("D2: an agent that polls the balancer's address runs its scripts, whichever node has them", async () => {
      const subscription = `poll://${balancer.name.toLowerCase().padEnd(20, "0")}/`;
      const polling = await cluster.agent({
        name: "behind",
        trust: nodes[0].ready.thumbprint,
        poll: { port: agentsPort, subscription },
      });
      await polling.start();
      const own = await observer.prepare({
        name: "behind",
        environments: 2,
        machines: [{ name: "behind", subscription, thumbprint: polling.ready.thumbprint }],
        steps: [{ lines: 3, pauseMs: 20 }],
      });
      for (const deployment of [await observer.deploy(own, 0), await observer.deploy(own, 1)]) {
        assert.equal((await observer.final(deployment)).State, "Success");
        assert.deepEqual(await observer.faultsOf(deployment), []);
      }
    });

    test("A1 D2 D9: a node that is killed under load costs no read and no deployment, and no change is made twice", async () => {
      await underLoad("killed", () => nodes[1].kill());
    });
  });
}
