// Agents in this process that really run what they are sent, with the system's bash, each in a home of its own below one folder. They keep
// the promises of the script and file services as our agent does; the machine is named by the host of its address.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import type { ScriptStatusResponseV2, StartScriptCommandV2 } from "@cuttle/contract/agent/script";
import type { AgentAddress, Agents, Answer, CallTerms } from "../../server/engine/agents/agents.ts";

interface Script {
  ticket: string;
  lines: { source: 0 | 1; text: string }[];
  exitCode: number | undefined;
  child: ChildProcess | undefined;
}

export interface ShellAgents extends Agents {
  /** The home of the agent of that host. */
  home(host: string): string;
  applications(host: string): string;
  /** Real starts, in order. */
  readonly executions: { host: string; body: string; ticket: string }[];
  readonly uploads: { host: string; path: string; bytes: number }[];
  /** Ends the scripts that still run. */
  close(): Promise<void>;
}

export function createShellAgents(root: string): ShellAgents {
  const scripts = new Map<string, Script>();
  const executions: ShellAgents["executions"] = [];
  const uploads: ShellAgents["uploads"] = [];
  const hostOf = (agent: AgentAddress): string => ("host" in agent ? agent.host : agent.subscription.replace(/[^a-z0-9]/g, ""));
  const home = (host: string): string => path.join(root, host);
  const applications = (host: string): string => path.join(root, host, "Applications");
  const unsupported = { ok: false, failure: "unsupported", message: "This agent has the second generation only." } as const;

  async function proven<R>(terms: CallTerms, work: () => Promise<Answer<R>>): Promise<Answer<R>> {
    await terms.beforeSend();
    if (terms.signal.aborted) throw terms.signal.reason;
    return await work();
  }

  function respond(script: Script, from: number): Answer<ScriptStatusResponseV2> {
    const logs = script.lines.slice(from).map(({ source, text }) => ({ Source: source, Occurred: new Date(0), Text: text }));
    const State = script.exitCode === undefined ? 1 : 2;
    return {
      ok: true,
      reply: { Ticket: { TaskId: script.ticket }, Logs: logs, NextLogSequence: from + logs.length, State, ExitCode: script.exitCode ?? 0 },
    };
  }

  async function start(host: string, command: StartScriptCommandV2): Promise<Script> {
    const ticket = command.ScriptTicket.TaskId;
    const known = scripts.get(ticket);
    if (known !== undefined) return known;
    const script: Script = { ticket, lines: [], exitCode: undefined, child: undefined };
    scripts.set(ticket, script);
    const body = command.Scripts?.["Bash"] ?? command.ScriptBody;
    executions.push({ host, body, ticket });
    const work = path.join(home(host), "Work", ticket);
    await fs.mkdir(work, { recursive: true });
    for (const { Name, Contents } of command.Files ?? []) await fs.writeFile(path.join(work, Name), Contents.open());
    await fs.writeFile(path.join(work, "Bootstrap.sh"), body);
    const child = spawn("/bin/bash", [path.join(work, "Bootstrap.sh")], {
      cwd: work,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: {
        ...process.env,
        TentacleHome: home(host),
        TentacleApplications: applications(host),
        TentacleJournal: path.join(home(host), "DeploymentJournal.xml"),
      },
    });
    script.child = child;
    for (const [source, stream] of [[0, child.stdout] as const, [1, child.stderr] as const]) {
      let rest = "";
      stream.setEncoding("utf8");
      stream.on("data", (piece: string) => {
        const lines = `${rest}${piece}`.split("\n");
        rest = lines.pop()!;
        for (const text of lines) script.lines.push({ source, text });
      });
      stream.on("end", () => rest !== "" && script.lines.push({ source, text: rest }));
    }
    child.once("close", (code, signal) => {
      script.exitCode = code ?? (signal === null ? -1 : 137);
      script.child = undefined;
    });
    return script;
  }

  const answerOf = (ticket: string, from: number): Answer<ScriptStatusResponseV2> => {
    const script = scripts.get(ticket);
    if (script !== undefined) return respond(script, from);
    return { ok: true, reply: { Ticket: { TaskId: ticket }, Logs: [], NextLogSequence: 0, State: 2, ExitCode: -45 } };
  };
  const placeOf = (agent: AgentAddress, file: string): string => (path.isAbsolute(file) ? file : path.join(home(hostOf(agent)), file));

  return {
    home,
    applications,
    executions,
    uploads,
    capabilities: (_agent, terms) =>
      proven(terms, async () => ({ ok: true, reply: ["IScriptService", "IFileTransferService", "IScriptServiceV2"] })),
    startScript: (agent, command, terms) => proven(terms, async () => respond(await start(hostOf(agent), command), 0)),
    getStatus: (_agent, request, terms) => proven(terms, async () => answerOf(request.Ticket.TaskId, request.LastLogSequence)),
    cancelScript: (_agent, command, terms) =>
      proven(terms, async () => {
        const child = scripts.get(command.Ticket.TaskId)?.child;
        if (child?.pid !== undefined) process.kill(-child.pid, "SIGKILL");
        return answerOf(command.Ticket.TaskId, command.LastLogSequence);
      }),
    // Our agent keeps a tombstone; here the whole script is kept.
    completeScript: (_agent, _command, terms) => proven(terms, async () => ({ ok: true, reply: null })),
    uploadFile: (agent, { path: file, contents }, terms) =>
      proven(terms, async () => {
        const place = placeOf(agent, file);
        const pieces: Uint8Array[] = [];
        try {
          for await (const piece of contents.open()) pieces.push(Buffer.from(piece));
        } catch {
          return { ok: false, failure: "interrupted", message: "the connection was lost" };
        }
        const bytes = Buffer.concat(pieces);
        await fs.mkdir(path.dirname(place), { recursive: true });
        await fs.writeFile(`${place}.new`, bytes);
        await fs.rename(`${place}.new`, place);
        uploads.push({ host: hostOf(agent), path: file, bytes: bytes.length });
        return { ok: true, reply: { FullPath: place, Hash: createHash("sha1").update(bytes).digest("hex"), Length: bytes.length } };
      }),
    downloadFile: (agent, file, terms) =>
      proven(terms, async () => {
        const place = placeOf(agent, file);
        const found = await fs.stat(place).catch(() => undefined);
        if (found?.isFile() !== true) return { ok: true, reply: null };
        return { ok: true, reply: { length: found.size, open: () => createReadStream(place) } };
      }),
    firstGeneration: {
      startScript: async () => unsupported,
      getStatus: async () => unsupported,
      cancelScript: async () => unsupported,
      completeScript: async () => unsupported,
    },
    async close() {
      for (const { child } of scripts.values()) {
        if (child?.pid === undefined) continue;
        const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
        process.kill(-child.pid, "SIGKILL");
        await gone;
      }
    },
  };
}
