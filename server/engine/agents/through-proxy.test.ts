// An agent behind a proxy is reached by what the proxy is at that moment, and never around it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { capabilitiesServiceV2 } from "@cuttle/contract/agent/capabilities";
import { createHalibutListener, createIdentity } from "@cuttle/halibut";
import type { HttpProxy } from "@cuttle/halibut";
import { startConnectProxy } from "../../../test/support/connect-proxy.ts";
import { createAgents, createPollingQueue } from "./agents.ts";

test("an agent is asked through its proxy, which is looked up at each call, and is offline without it", async (t) => {
  const [server, agent] = await Promise.all([createIdentity("server"), createIdentity("agent")]);
  const listener = createHalibutListener({
    identity: agent,
    isTrusted: () => true,
    services: [
      { contract: capabilitiesServiceV2, methods: { GetCapabilities: async () => ({ SupportedCapabilities: ["IScriptServiceV2"] }) } },
    ],
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const proxy = await startConnectProxy();
  let known: Record<string, HttpProxy> = {};
  const agents = createAgents({ identity: server, polling: createPollingQueue(), findProxy: async (id) => known[id] });
  t.after(async () => {
    await agents.close();
    await listener.close();
    proxy.close();
  });
  const terms = { beforeSend: async () => {}, signal: new AbortController().signal };
  const ask = (proxyId: string) =>
    agents.capabilities({ host: "127.0.0.1", port, thumbprint: agent.thumbprint, ...(proxyId === "" ? {} : { proxyId }) }, terms);

  const gone = await ask("Proxies-1");
  assert.ok(!gone.ok && gone.failure === "offline" && /Proxies-1, which is not there any more/.test(gone.message), JSON.stringify(gone));
  known = { "Proxies-1": { host: "127.0.0.1", port: proxy.port, username: "u", password: "p" } };
  assert.deepEqual(await ask("Proxies-1"), { ok: true, reply: ["IScriptServiceV2"] });
  assert.equal(proxy.asked.length, 1);
  assert.match(proxy.asked[0]!, new RegExp(`^CONNECT 127.0.0.1:${port} .*${Buffer.from("u:p").toString("base64")}`, "s"));
  assert.equal((await ask("")).ok, true);
  assert.equal(proxy.asked.length, 1, "an agent without a proxy is asked directly");
});
