/** Runs requests against service implementations: finds the method, reads its streams, calls it and makes the response. Used wherever requests are received. */
import type { Connection } from "./connection.ts";
import type { SpoolPlace } from "./data-streams.ts";
import { messageOf } from "./errors.ts";
import { bindRequest, decodeRequest, encodeError, encodeResult, serviceThrew } from "./messages.ts";
import type { OutgoingMessage } from "./messages.ts";
import { collectTypes } from "./values.ts";
import type { ServiceContract } from "./shapes.ts";

/** A contract with the code behind it. `signal` is aborted when the caller's connection is gone; the answer can then reach nobody. */
export interface ServiceImplementation {
  contract: ServiceContract;
  // oxlint-disable-next-line no-explicit-any -- the contract, not the compiler, says what the arguments are
  methods: { [method: string]: (params: any[], context: { peerThumbprint: string; signal: AbortSignal }) => Promise<unknown> };
}

/** What happened to one request, without its arguments: they carry scripts and secrets. */
export interface ServedRequest {
  service: string;
  method: string;
  durationMs: number;
  failure: string | null;
}

export interface ServiceTable {
  /** Reads one request, runs it and returns the response to send; null when the peer sent the empty message. */
  receive(
    connection: Connection,
    firstByteMs: number,
    peerThumbprint: string,
  ): Promise<(OutgoingMessage & { dispose(): Promise<void> }) | null>;
}

/** The services that one program offers. A method without code is our own mistake and found here. */
export function createServiceTable(parts: {
  services: readonly ServiceImplementation[];
  place: SpoolPlace;
  onServed: (served: ServedRequest, peerThumbprint: string) => void;
}): ServiceTable {
  const { place } = parts;
  const contracts = new Map<string, ServiceContract>();
  const code = new Map<string, ServiceImplementation["methods"][string]>();
  const knownTypes = new Set<string>();
  for (const { contract, methods } of parts.services) {
    contracts.set(contract.name, contract);
    for (const [name, { params, result }] of Object.entries(contract.methods)) {
      const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
      if (method === undefined) throw new TypeError(`The service ${contract.name} has no code for its method ${name}.`);
      code.set(`${contract.name}.${name}`, method);
      for (const shape of [...params, result]) collectTypes(shape, knownTypes);
    }
  }

  return {
    async receive(connection, firstByteMs, peerThumbprint) {
      const request = await connection.readMessage(firstByteMs, (envelope) => {
        const value = decodeRequest(envelope);
        return { move: value === null ? "nothing" : "request", value };
      });
      if (request === null) return null;
      const bound = bindRequest(request, contracts, knownTypes, place.limits.streamsPerMessageMax);
      const startedAt = performance.now();
      const served = (failure: string | null): void =>
        parts.onServed(
          { service: request.service ?? "", method: request.method ?? "", durationMs: performance.now() - startedAt, failure },
          peerThumbprint,
        );
      async function dispose(): Promise<void> {
        for (const stream of bound.incoming) await stream.dispose();
      }
      try {
        await connection.readStreams(bound.incoming, place);
        if (!bound.ok) {
          served(bound.error.message);
          return { ...encodeError(request.id, bound.error), dispose };
        }
        const what = `${bound.contract.name}.${bound.methodName}`;
        try {
          const result = await code.get(what)!(bound.params, { peerThumbprint, signal: connection.closed });
          const response = encodeResult(request.id, bound.result, result, what);
          served(null);
          return { ...response, dispose };
        } catch (error) {
          served(messageOf(error));
          return { ...encodeError(request.id, serviceThrew(error)), dispose };
        }
      } catch (error) {
        await dispose();
        throw error;
      }
    },
  };
}
