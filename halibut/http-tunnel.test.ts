/** Calls through an HTTP proxy: what goes through it, who is shown in at the door, and what a caller learns when there is no way. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { after, before, test } from "node:test";
import { createHalibutClient } from "./client.ts";
import { HalibutCallError } from "./errors.ts";
import type { HttpProxy } from "./http-tunnel.ts";
import { createHalibutListener } from "./listener.ts";
import type { HalibutListener } from "./listener.ts";
import { createIdentity } from "./trust.ts";
import type { Identity } from "./trust.ts";
import type { ServiceContract } from "./shapes.ts";

const contract: ServiceContract = {
  name: "ITestService",
  methods: { SayHello: { params: [{ kind: "string" }], result: { kind: "string" } } },
};
const password = "pässword: secret";
const soon = { timeoutMs: 5_000 };

let caller: Identity;
let service: Identity;
let listener: HalibutListener;
let servicePort: number;
before(async () => {
  [caller, service] = await Promise.all([createIdentity("caller"), createIdentity("service")]);
  listener = createHalibutListener({
    identity: service,
    isTrusted: (thumbprint) => thumbprint === caller.thumbprint,
    services: [{ contract, methods: { SayHello: async (name) => `Hello ${String(name)}` } }],
  });
  ({ port: servicePort } = await listener.listen({ host: "127.0.0.1", port: 0 }));
});
after(() => listener.close());

/** A proxy that shows each request's head to `decide`, and opens the tunnel or says what it answered. */
async function startProxy(decide: (head: string, socket: Socket) => string | undefined) {
  const heads: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}).on("close", () => sockets.delete(socket)));
    let head = "";
    socket.on("data", function onData(bytes: Buffer) {
      head += bytes.toString("latin1");
      if (!head.includes("\r\n\r\n")) return;
      socket.off("data", onData);
      heads.push(head);
      const answer = decide(head, socket);
      if (answer !== undefined) return void socket.write(answer);
      const [, host, port] = /^CONNECT (.*):(\d+) /.exec(head)!;
      const onward = connect(Number(port), host, () => {
        // In two pieces, as proxies do.
        socket.write("HTTP/1.1 200 Connection esta");
        setImmediate(() => {
          socket.write("blished\r\nVia: test\r\n\r\n");
          socket.pipe(onward).pipe(socket);
        });
      });
      sockets.add(onward.on("error", () => socket.destroy()).on("close", () => sockets.delete(onward)));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { port: number }).port,
    heads,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

async function callThrough(
  proxy: HttpProxy,
  limits: object = {},
  options: { timeoutMs: number; signal?: AbortSignal } = soon,
): Promise<unknown> {
  const client = createHalibutClient({ identity: caller, limits: { connectAttemptsMax: 2, connectRetryPauseMs: 10, ...limits } });
  const peer = { host: "127.0.0.1", port: servicePort, thumbprint: service.thumbprint, proxy };
  try {
    return await client.call(peer, contract, "SayHello", ["proxy"], options);
  } finally {
    await client.close();
  }
}

test("a call goes through the proxy, which sees where to and who asks, and nothing else", async () => {
  const proxy = await startProxy(() => undefined);
  assert.equal(await callThrough({ host: "127.0.0.1", port: proxy.port, username: "agent", password }), "Hello proxy");
  assert.equal(await callThrough({ host: "127.0.0.1", port: proxy.port }), "Hello proxy");
  const target = `127.0.0.1:${servicePort}`;
  const credentials = Buffer.from(`agent:${password}`).toString("base64");
  assert.deepEqual(proxy.heads, [
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`,
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`,
  ]);
  await proxy.close();
});

test("connections are kept apart by their way: direct, by proxy, by the proxy's user", async () => {
  const proxy = await startProxy(() => undefined);
  const client = createHalibutClient({ identity: caller });
  const peer = { host: "127.0.0.1", port: servicePort, thumbprint: service.thumbprint };
  const way = { host: "127.0.0.1", port: proxy.port };
  for (const one of [peer, { ...peer, proxy: way }, { ...peer, proxy: { ...way, username: "a" } }, peer, { ...peer, proxy: way }])
    assert.equal(await client.call(one, contract, "SayHello", ["you"], soon), "Hello you");
  assert.equal(proxy.heads.length, 2);
  await client.close();
  await proxy.close();
});

test("S3 D5: a proxy that gives no way makes the call unreachable, with its reason and without the password", async () => {
  const answers = {
    "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n": [/407 Proxy Authentication Required. Check the user name and password/, 1],
    "HTTP/1.0 403\r\n\r\n": [/gives no way to 127.0.0.1:\d+: 403/, 1],
    "HTTP/1.1 502 Bad\tGateway\r\nX: y\r\n\r\n": [/502 Bad\?Gateway/, 2],
    "SSH-2.0-OpenSSH\r\n\r\n": [/does not answer as an HTTP proxy does/, 1],
    [`HTTP/1.1 200 ${"x".repeat(20_000)}`]: [/more than a proxy says/, 1],
  } as const;
  for (const [answer, [message, tries]] of Object.entries(answers) as [string, readonly [RegExp, number]][]) {
    const proxy = await startProxy(() => answer);
    await assert.rejects(callThrough({ host: "127.0.0.1", port: proxy.port, username: "agent", password }), (error) => {
      assert.ok(error instanceof HalibutCallError);
      assert.deepEqual([error.kind, error.requestMayHaveArrived], ["unreachable", false]);
      assert.match(error.message, message);
      assert.ok(!error.message.includes("secret"));
      return true;
    });
    assert.equal(proxy.heads.length, tries, answer.slice(0, 40));
    await proxy.close();
  }
});

test("S5: a proxy that is away, hangs up or stays silent costs no more than the time for connecting, and giving up ends it", async () => {
  const hangingUp = await startProxy((_head, socket) => (socket.destroy(), ""));
  await assert.rejects(callThrough({ host: "127.0.0.1", port: hangingUp.port }), /closed the connection without an answer/);
  await hangingUp.close();
  await assert.rejects(callThrough({ host: "127.0.0.1", port: hangingUp.port }), /ECONNREFUSED/);
  const silent = await startProxy(() => "");
  await assert.rejects(callThrough({ host: "127.0.0.1", port: silent.port }, { connectMs: 100 }), /no TLS connection within 100 ms/);
  const controller = new AbortController();
  const call = callThrough({ host: "127.0.0.1", port: silent.port }, {}, { timeoutMs: 60_000, signal: controller.signal });
  while (silent.heads.length < 3) await new Promise(setImmediate);
  controller.abort();
  await assert.rejects(call, (error) => error instanceof HalibutCallError && error.kind === "cancelled");
  await silent.close();
});
