// The agents' process of wire.ts: a listening service, bare TLS ends for comparison, and as many polling agents as are asked for. Started by wire.ts only.

import { once } from "node:events";
import { createServer } from "node:tls";
import type { TLSSocket } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createHalibutListener, createHalibutPoller } from "@cuttle/halibut";
import type { DataStream, HalibutPoller, Identity, ServiceContract, ServiceImplementation } from "@cuttle/halibut";

export const benchContract: ServiceContract = {
  name: "IBenchService",
  methods: {
    SayHello: { params: [{ kind: "string" }], result: { kind: "string" } },
    Take: { params: [{ kind: "stream" }], result: { kind: "int64" } },
    Give: { params: [{ kind: "int64" }], result: { kind: "stream" } },
  },
};

export type ToAgents =
  | { do: "listen"; agent: Identity; server: Identity }
  | { do: "poll"; port: number; agents: number; identity: Identity; server: string }
  | { do: "stop polling" | "watch memory" | "stop watching memory" };

export interface FromAgents {
  port?: number;
  barePort?: number;
  grownBytes?: number;
}

/** A stream of so many bytes, out of one buffer that is used again and again. */
export function streamOf(length: number): DataStream {
  const piece = Buffer.alloc(256 * 1024, "stream ");
  return {
    length,
    async *open() {
      for (let left = length; left > 0; left -= piece.length) yield left < piece.length ? piece.subarray(0, left) : piece;
    },
  };
}

/** Without it, memory that nobody holds any more would be measured too. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

/** TLS as the library sets it up, for the bare ends. */
export function tlsOptionsOf(identity: Identity) {
  return { key: identity.privateKeyPem, cert: identity.certificatePem, rejectUnauthorized: false, minVersion: "TLSv1.2" } as const;
}

/** Answers PROCEED to NEXT and 166 bytes to 440; after PIPE it takes everything and answers at the end. */
export async function listenBare(identity: Identity): Promise<number> {
  const bare = createServer({ ...tlsOptionsOf(identity), requestCert: true, noDelay: true, allowHalfOpen: true }, (socket: TLSSocket) => {
    socket.on("error", () => {});
    const response = Buffer.alloc(166, "a");
    let have = 0;
    let piping = false;
    socket.on("data", (piece: Buffer) => {
      if (piping) return;
      have += piece.length;
      if (have >= 4 && piece.toString("latin1", 0, 4) === "PIPE") piping = true;
      else if (have === 6) {
        have = 0;
        socket.write("PROCEED\r\n");
      } else if (have >= 440) {
        have = 0;
        socket.write(response);
      }
    });
    socket.on("end", () => socket.end("done"));
  });
  bare.listen(0, "127.0.0.1");
  await once(bare, "listening");
  bare.unref();
  return (bare.address() as { port: number }).port;
}

const services: ServiceImplementation[] = [
  {
    contract: benchContract,
    methods: {
      SayHello: async ([name]) => `Hello ${name}`,
      Take: async ([stream]) => (stream as DataStream).length,
      Give: async ([length]) => streamOf(length as number),
    },
  },
];

if (process.send !== undefined) {
  let pollers: HalibutPoller[] = [];
  let watch: NodeJS.Timeout | undefined;
  let before = 0;
  let peak = 0;
  const tasks = {
    async listen({ agent, server }: ToAgents & { do: "listen" }): Promise<FromAgents> {
      const isTrusted = (thumbprint: string): boolean => thumbprint === server.thumbprint;
      const { port } = await createHalibutListener({ identity: agent, isTrusted, services }).listen({ host: "127.0.0.1", port: 0 });
      return { port, barePort: await listenBare(agent) };
    },
    async poll({ port, agents, identity, server }: ToAgents & { do: "poll" }): Promise<FromAgents> {
      for (let n = 0; n < agents; n++) {
        const poller = createHalibutPoller({
          identity,
          server: { host: "127.0.0.1", port, thumbprint: server },
          subscription: `poll://bench-${n}`,
          services,
          limits: { reconnectMsMin: 100, reconnectMsMax: 300, connectMs: 60_000, identityMs: 60_000 },
        });
        pollers.push(poller);
        poller.start();
      }
      return {};
    },
    async "stop polling"(): Promise<FromAgents> {
      await Promise.all(pollers.map((poller) => poller.close()));
      pollers = [];
      return {};
    },
    async "watch memory"(): Promise<FromAgents> {
      collectGarbage();
      before = peak = process.memoryUsage.rss();
      watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
      return {};
    },
    async "stop watching memory"(): Promise<FromAgents> {
      clearInterval(watch);
      return { grownBytes: peak - before };
    },
  };
  process.on("message", (message: ToAgents) => {
    void tasks[message.do](message as never).then((answer) => process.send!(answer));
  });
  process.on("disconnect", () => process.exit());
}
