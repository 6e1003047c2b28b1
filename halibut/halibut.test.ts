/** The wire through its public file: both ends real, over TLS on this machine. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createHalibutClient, createHalibutListener, createIdentity, streamFromBytes } from "./halibut.ts";
import type { DataStream, HalibutClient, HalibutListener, Identity, Peer, ServiceContract } from "./halibut.ts";

const echo: ServiceContract = {
  name: "IEchoService",
  methods: {
    SayHello: { params: [{ kind: "string" }], result: { kind: "string" } },
    Upload: { params: [{ kind: "stream" }], result: { kind: "int64" } },
    Download: { params: [{ kind: "int64" }], result: { kind: "stream" } },
  },
};

let serverIdentity: Identity;
let agentIdentity: Identity;
let client: HalibutClient;
let listener: HalibutListener;
let peer: Peer;

before(async () => {
  [serverIdentity, agentIdentity] = await Promise.all([createIdentity("server"), createIdentity("agent")]);
  listener = createHalibutListener({
    identity: agentIdentity,
    isTrusted: (thumbprint) => thumbprint === serverIdentity.thumbprint,
    services: [
      {
        contract: echo,
        methods: {
          SayHello: async ([name]) => `Hello ${name}`,
          Upload: async ([stream]) => {
            let sum = 0;
            for await (const piece of (stream as DataStream).open()) for (const byte of piece) sum += byte;
            return (stream as DataStream).length + sum;
          },
          Download: async ([size]) => streamFromBytes(Buffer.alloc(size, 7)),
        },
      },
    ],
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  peer = { host: "127.0.0.1", port, thumbprint: agentIdentity.thumbprint };
  client = createHalibutClient({ identity: serverIdentity });
});

after(async () => {
  await client.close();
  await listener.close();
});

test("a call goes to a listening service and comes back, again and again over one connection", async () => {
  assert.match(serverIdentity.thumbprint, /^[0-9A-F]{40}$/);
  for (let i = 0; i < 3; i++)
    assert.equal(await client.call(peer, echo, "SayHello", [`world ${i}`], { timeoutMs: 5_000 }), `Hello world ${i}`);
});

test("streams travel both ways, whatever their size", async () => {
  for (const size of [0, 1, 8_192, 71_680, 3_000_000]) {
    assert.equal(await client.call(peer, echo, "Upload", [streamFromBytes(Buffer.alloc(size, 2))], { timeoutMs: 10_000 }), size * 3);
    const stream = (await client.call(peer, echo, "Download", [size], { timeoutMs: 10_000 })) as DataStream;
    let bytes = 0;
    for await (const piece of stream.open()) bytes += piece.length;
    await stream.dispose?.();
    assert.equal(bytes, size);
    assert.equal(stream.length, size);
  }
});
