// A task engine whose process can "die" or "freeze" at any of its effects: every statement, agent call and file write passes a
// counter, and at the chosen one nothing further ever happens (kill -9), or nothing until it is thawed (SIGSTOP).

import type { Agents, CallTerms } from "../../server/engine/agents/agents.ts";
import { createTaskEngine } from "../../server/engine/tasks/tasks.ts";
import type { LogFolder, TaskEngine, TaskHandler } from "../../server/engine/tasks/tasks.ts";
import type { Database, DatabaseConnection, Transaction } from "../../server/platform/database/database.ts";
import { openDatabase } from "../../server/platform/database/database.ts";
import { closeAll } from "./close-all.ts";
import { within } from "./eventually.ts";

/** Where a process stops. `before`: the effect never happens. `after`: it happens and its answer is lost. */
export interface StopPoint {
  effect: number | string;
  /** Only once an effect of this name has been seen. */
  since?: string;
  when: "before" | "after";
  how: "die" | "freeze";
}

export interface MortalNode {
  engine: TaskEngine;
  /** Names of the effects so far, in order, counted from the first task that runs. */
  readonly effects: string[];
  /** Settles with the effect's name when the node has died or frozen; fails when it does not come to that. */
  readonly stopped: Promise<string>;
  /** A frozen node goes on from where it stood. */
  thaw(): void;
  close(): Promise<void>;
}

const silent = { info() {}, warn() {}, error() {} };

/** Rolls back what a dying process had open, as the database does when the connection drops. */
class Died extends Error {}

export async function startMortalNode(parts: {
  name: string;
  connection: DatabaseConnection;
  folder: LogFolder;
  agents: Agents;
  handler: (agents: Agents) => TaskHandler;
  stopAt?: StopPoint;
}): Promise<MortalNode> {
  const { stopAt } = parts;
  const effects: string[] = [];
  let counting = false;
  let stoodStill = false;
  let report!: (effect: string) => void;
  const stopped = new Promise<string>((resolve) => (report = resolve));
  let thaw!: () => void;
  const thawed = new Promise<void>((resolve) => (thaw = resolve));

  /** What a stopped process does next: nothing, for ever or until it is thawed. */
  function standStill(): Promise<void> {
    return stopAt?.how === "freeze" ? thawed : new Promise<never>(() => {});
  }

  /** Counts one effect; true when this is where the process stops. */
  function isStop(name: string): boolean {
    if (!counting) return false;
    effects.push(name);
    if (stopAt === undefined || stoodStill) return false;
    if (stopAt.since !== undefined && !effects.slice(0, -1).includes(stopAt.since)) return false;
    return stopAt.effect === effects.length || stopAt.effect === name;
  }

  function stopHere(name: string): void {
    stoodStill = true;
    report(name);
  }

  async function effect<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (stoodStill) await standStill();
    const stop = isStop(name);
    if (stop && stopAt?.when === "before") {
      stopHere(name);
      await standStill();
    }
    const result = await work();
    if (stop && stopAt?.when === "after") {
      stopHere(name);
      await standStill();
    }
    // Somebody else may have reached the stop meanwhile: an answer that arrives now is never seen.
    if (stoodStill && stopAt?.how === "die") await standStill();
    return result;
  }

  function mortal(real: Database): Database {
    return {
      ...real,
      query: (text, values, options) => effect(options?.name ?? "query", () => real.query(text, values, options)) as never,
      execute: (text, values, options) => effect(options?.name ?? "execute", () => real.execute(text, values, options)),
      async transaction(work, options) {
        await effect("begin", async () => {});
        let died = false;
        function statement<T>(name: string, run: () => Promise<T>): Promise<T> {
          const stop = isStop(name);
          if (stop && stopAt?.how === "die") stopHere(name);
          if (stoodStill && stopAt?.how === "die") {
            died = true;
            throw new Died();
          }
          return run();
        }
        try {
          const result = await real.transaction(async (tx) => {
            const watched: Transaction = {
              afterCommit: (run) => tx.afterCommit(run),
              notify: (channel, payload) => tx.notify(channel, payload),
              query: async (text, values, o) => statement(o?.name ?? "query", () => tx.query(text, values, o)) as never,
              execute: async (text, values, o) => statement(o?.name ?? "execute", () => tx.execute(text, values, o)),
            };
            const done = await work(watched);
            if (stoodStill && stopAt?.how === "die") {
              died = true;
              throw new Died();
            }
            return done;
          }, options);
          return await effect("commit", async () => result);
        } catch (error) {
          if (died) await standStill();
          throw error;
        }
      },
    };
  }

  const realDatabase = openDatabase({ connection: parts.connection, applicationName: `cuttle-test-${parts.name}`, connectionsMax: 6 });
  const realRenewals = openDatabase({
    connection: parts.connection,
    applicationName: `cuttle-test-${parts.name}-leases`,
    connectionsMax: 2,
  });
  // Renewals are no effects of a task, but they stop with the process.
  const renewals: Database = {
    ...realRenewals,
    query: async (text, values, options) => {
      if (stoodStill) await standStill();
      return realRenewals.query(text, values, options);
    },
  };
  const folder: LogFolder = {
    async createPart(file) {
      const part = await effect("log-create", () => parts.folder.createPart(file));
      return { append: (bytes) => effect("log-append", () => part.append(bytes)), close: () => part.close() };
    },
    readPart: (file, from, to) => parts.folder.readPart(file, from, to),
  };

  /** The worst moment lies between the proof of the lease and the first byte: that is where a call is counted. */
  async function call<R>(name: string, terms: CallTerms, send: (own: CallTerms) => Promise<R>): Promise<R> {
    await terms.beforeSend();
    return effect(name, () => send({ beforeSend: async () => {}, signal: new AbortController().signal }));
  }
  const agents: Agents = {
    capabilities: (agent, terms) => call("agent-capabilities", terms, (own) => parts.agents.capabilities(agent, own)),
    startScript: (agent, command, terms) => call("agent-start", terms, (own) => parts.agents.startScript(agent, command, own)),
    getStatus: (agent, request, terms) => call("agent-status", terms, (own) => parts.agents.getStatus(agent, request, own)),
    cancelScript: (agent, command, terms) => call("agent-cancel", terms, (own) => parts.agents.cancelScript(agent, command, own)),
    completeScript: (agent, command, terms) => call("agent-complete", terms, (own) => parts.agents.completeScript(agent, command, own)),
    uploadFile: (agent, file, terms) => call("agent-upload", terms, (own) => parts.agents.uploadFile(agent, file, own)),
    downloadFile: (agent, path, terms) => call("agent-download", terms, (own) => parts.agents.downloadFile(agent, path, own)),
    firstGeneration: {
      startScript: (agent, command, terms) =>
        call("agent-start", terms, (own) => parts.agents.firstGeneration.startScript(agent, command, own)),
      getStatus: (agent, request, terms) =>
        call("agent-status", terms, (own) => parts.agents.firstGeneration.getStatus(agent, request, own)),
      cancelScript: (agent, command, terms) =>
        call("agent-cancel", terms, (own) => parts.agents.firstGeneration.cancelScript(agent, command, own)),
      completeScript: (agent, command, terms) =>
        call("agent-complete", terms, (own) => parts.agents.firstGeneration.completeScript(agent, command, own)),
    },
    close: () => parts.agents.close(),
  };

  const handler = parts.handler(agents);
  const engine = createTaskEngine({
    database: mortal(realDatabase),
    renewals,
    folder,
    handlers: [
      {
        name: handler.name,
        run: (run) => {
          counting = true;
          return handler.run(run);
        },
      },
    ],
    nodeName: parts.name,
    taskCap: () => (stoodStill ? 0 : 4),
    log: silent,
  });
  await engine.start();

  return {
    engine,
    effects,
    get stopped() {
      return within(`${parts.name} stops at the effect ${stopAt?.effect}`, stopped);
    },
    thaw: () => {
      stoodStill = false;
      thaw();
    },
    async close() {
      // A dead process cannot stop in order: its loops end, what it waits for never comes, its connections are gone.
      const inOrder = engine.stop();
      await closeAll(
        () => (stoodStill ? undefined : inOrder),
        () => realDatabase.close().catch(() => {}),
        () => realRenewals.close().catch(() => {}),
      );
    },
  };
}
