// Looks at a real agent's port, at one that is closed and at one that speaks no TLS.

import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import { createHalibutListener, createIdentity } from "@cuttle/halibut";
import { createDiscovery } from "./agents.ts";

const never = new AbortController().signal;

test("S4: the thumbprint of whoever listens is shown before anything is said; a closed or foreign port is refused with its reason", async (t) => {
  const identity = await createIdentity("server");
  const agent = await createIdentity("agent");
  const events: string[] = [];
  const listener = createHalibutListener({
    identity: agent,
    services: [],
    isTrusted: () => false,
    onEvent: (event) => void events.push(event.kind),
  });
  t.after(() => listener.close());
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const discover = createDiscovery({ identity, findProxy: async () => undefined });
  assert.deepEqual(await discover({ host: "127.0.0.1", port, proxyId: null }, never), { ok: true, thumbprint: agent.thumbprint });
  assert.ok(!events.includes("identified"), "it was introduced to nobody");

  const plain = net.createServer((socket) => socket.end("SSH-2.0-nobody\r\n"));
  await new Promise<void>((resolve) => void plain.listen(0, "127.0.0.1", resolve));
  t.after(() => void plain.close());
  const foreign = await discover({ host: "127.0.0.1", port: (plain.address() as net.AddressInfo).port, proxyId: null }, never);
  assert.equal(foreign.ok, false);

  const closed = net.createServer();
  await new Promise<void>((resolve) => void closed.listen(0, "127.0.0.1", resolve));
  const closedPort = (closed.address() as net.AddressInfo).port;
  await new Promise<void>((resolve) => void closed.close(() => resolve()));
  const nobody = await discover({ host: "127.0.0.1", port: closedPort, proxyId: null }, never);
  assert.match(nobody.ok ? "" : nobody.message, new RegExp(`Cannot connect to 127.0.0.1:${closedPort}`));
  const away = await discover({ host: "127.0.0.1", port, proxyId: "Proxies-9" }, never);
  assert.match(away.ok ? "" : away.message, /no proxy Proxies-9/);
});
