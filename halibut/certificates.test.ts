/** Certificates of every kind in both roles and both modes: a peer is its thumbprint, whatever else its certificate says. */
import "reflect-metadata";
import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { before, test, type TestContext } from "node:test";
import { PemConverter, X509CertificateGenerator } from "@peculiar/x509";
import { createHalibutClient } from "./client.ts";
import { HalibutCallError } from "./errors.ts";
import { createHalibutListener } from "./listener.ts";
import { createHalibutPoller } from "./poller.ts";
import { createPollingQueue } from "./polling-queue.ts";
import { createIdentity, readIdentity } from "./trust.ts";
import type { Identity } from "./trust.ts";
import type { ServiceContract } from "./shapes.ts";

const contract: ServiceContract = {
  name: "ITestService",
  methods: { SayHello: { params: [{ kind: "string" }], result: { kind: "string" } } },
};
const limits = { connectAttemptsMax: 1, reconnectMsMin: 10, reconnectMsMax: 50 };
const terms = { timeoutMs: 20_000 };
const dayMs = 86_400_000;

type Keys = Awaited<ReturnType<typeof keysOf>>;
type Algorithm = { name: string; hash: string; modulusLength?: number; namedCurve?: string };
const rsa = (modulusLength: number, hash = "SHA-256"): Algorithm => ({ name: "RSASSA-PKCS1-v1_5", hash, modulusLength });
const ecdsa = (namedCurve: string, hash: string): Algorithm => ({ name: "ECDSA", hash, namedCurve });

async function keysOf(algorithm: Algorithm) {
  return await webcrypto.subtle.generateKey(
    { publicExponent: new Uint8Array([1, 0, 1]), ...algorithm } as webcrypto.RsaHashedKeyGenParams,
    true,
    ["sign", "verify"],
  );
}

async function issue(algorithm: Algorithm, keys: Keys, serialNumber: string, fromDays = -1, untilDays = 365): Promise<Identity> {
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber,
      name: [{ CN: ["a peer"] }],
      notBefore: new Date(Date.now() + fromDays * dayMs),
      notAfter: new Date(Date.now() + untilDays * dayMs),
      signingAlgorithm: algorithm,
      keys,
    },
    webcrypto as NonNullable<Parameters<typeof X509CertificateGenerator.createSelfSigned>[1]>,
  );
  const privateKeyPem = PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return readIdentity({ certificatePem: certificate.toString("pem"), privateKeyPem });
}

let plain: Identity;
before(async () => {
  plain = await createIdentity("plain");
});

/** A listening service that trusts one caller. */
async function openService(t: TestContext, service: Identity, caller: Identity) {
  const listener = createHalibutListener({
    identity: service,
    isTrusted: (thumbprint) => thumbprint === caller.thumbprint,
    services: [{ contract, methods: { SayHello: async (name) => `Hello ${String(name)}` } }],
  });
  t.after(() => listener.close());
  return await listener.listen({ host: "127.0.0.1", port: 0 });
}

/** What a caller gets from a service on that port that it expects to have that thumbprint. */
async function ask(t: TestContext, caller: Identity, port: number, thumbprint: string): Promise<unknown> {
  const client = createHalibutClient({ identity: caller, limits });
  t.after(() => client.close());
  return await client.call({ host: "127.0.0.1", port, thumbprint }, contract, "SayHello", ["you"], terms);
}

/** A server that hands calls to pollers with that certificate; the pollers count what they serve. */
async function openPolling(t: TestContext, server: Identity, agent: Identity, pollers: number) {
  const queue = createPollingQueue();
  const listener = createHalibutListener({
    identity: server,
    isTrusted: (thumbprint) => thumbprint === agent.thumbprint,
    services: [],
    polling: { queue, mayPoll: () => true },
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  const served = Array.from({ length: pollers }, () => 0);
  const all = served.map((_, index) =>
    createHalibutPoller({
      identity: agent,
      server: { host: "127.0.0.1", port, thumbprint: server.thumbprint },
      subscription: "poll://same",
      services: [
        {
          contract,
          methods: {
            SayHello: async (name) => {
              served[index]! += 1;
              return `Hello ${String(name)}`;
            },
          },
        },
      ],
      limits,
    }),
  );
  for (const poller of all) poller.start();
  t.after(async () => {
    await Promise.all(all.map((poller) => poller.close()));
    queue.close();
    await listener.close();
  });
  return {
    served,
    call: (name: string) => queue.call({ subscription: "poll://same", thumbprint: agent.thumbprint }, contract, "SayHello", [name], terms),
  };
}

for (const [what, algorithm, fromDays, untilDays] of [
  ["RSA of 2048 bits", rsa(2048), -1, 365],
  ["RSA of 4096 bits", rsa(4096), -1, 365],
  ["RSA signed with SHA-1, as agents of old have", rsa(2048, "SHA-1"), -1, 365],
  ["ECDSA on P-256", ecdsa("P-256", "SHA-256"), -1, 365],
  ["ECDSA on P-384", ecdsa("P-384", "SHA-384"), -1, 365],
  ["expired long ago", rsa(2048), -900, -400],
  ["not valid yet", rsa(2048), 100, 400],
] as const)
  test(`S4: a certificate is taken by its thumbprint in both roles and both modes: ${what}`, async (t) => {
    const identity = await issue(algorithm, await keysOf(algorithm), "01", fromDays, untilDays);
    assert.equal(await ask(t, plain, (await openService(t, identity, plain)).port, identity.thumbprint), "Hello you");
    assert.equal(await ask(t, identity, (await openService(t, plain, identity)).port, plain.thumbprint), "Hello you");
    assert.equal(await (await openPolling(t, plain, identity, 1)).call("you"), "Hello you");
    assert.equal(await (await openPolling(t, identity, plain, 1)).call("you"), "Hello you");
  });

test("S4: a certificate that was issued anew for the same key and name is another peer, on both sides", async (t) => {
  const keys = await keysOf(rsa(2048));
  const [first, anew] = [await issue(rsa(2048), keys, "01"), await issue(rsa(2048), keys, "02")];
  const is =
    (kind: string) =>
    (error: unknown): boolean =>
      error instanceof HalibutCallError && error.kind === kind && !error.requestMayHaveArrived;
  await assert.rejects(ask(t, plain, (await openService(t, anew, plain)).port, first.thumbprint), is("untrusted"));
  await assert.rejects(ask(t, anew, (await openService(t, plain, first)).port, plain.thumbprint), is("unreachable"));
});

test("D2: of two agents with one certificate and one subscription each call goes to one of them, once", async (t) => {
  const agent = await createIdentity("cloned");
  const { served, call } = await openPolling(t, plain, agent, 2);
  const names = Array.from({ length: 40 }, (_, n) => `call ${n}`);
  assert.deepEqual(
    await Promise.all(names.map(call)),
    names.map((name) => `Hello ${name}`),
  );
  assert.equal(served[0]! + served[1]!, names.length);
});
