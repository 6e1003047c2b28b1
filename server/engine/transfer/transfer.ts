// Brings archives to targets: asks which blocks are there and uploads the others in one file. Nothing of it needs a row: whoever takes
// over asks again, and sends what is still missing. What was uploaded counts only when a script at the target has checked it.
//
//   dies before the upload ends: the target has no file, or one that is refused. After it: the next owner sends the same again under its
//   own epoch, and the script accepts whichever arrived.

import { createHash } from "node:crypto";
import type { FileContents } from "@cuttle/contract/agent/file-transfer";
import { capability } from "@cuttle/contract/agent/capabilities";
import { endOfTar, paddingOf, tarHeader, tarredBytes } from "../../platform/archives/archives.ts";
import type { AgentAddress, Agents, Answer, CallTerms } from "../agents/agents.ts";
import { askByScript } from "../execution/execution.ts";
import type { TaskRun } from "../tasks/tasks.ts";
import { askFunctions, cacheGroup, incomingFolder } from "./target-cache.ts";

export { cacheGroup, incomingFolder, targetCacheFunctions } from "./target-cache.ts";

export interface SentBlock {
  /** Lower-case hex. */
  sha256: string;
  bytes: number;
  /** Of an archive to unpack: this block is not packed by gzip, it is part of the tar as it is. */
  isPlain?: boolean;
}

export interface SentArchive {
  sha256: string;
  /** In their order in the archive. */
  blocks: readonly SentBlock[];
  read(from: number, to: number): Promise<Uint8Array>;
}

export interface TransferTarget {
  agent: AgentAddress;
  /** On whose behalf; the script that unpacks names it too. Letters, digits and hyphens. */
  owner: string;
  /** Whose older archives make way for newer ones. */
  group: string;
  /** An agent that cannot be reached for so long is given up. */
  agentGoneMs: number;
}

/** `said`: what the further script printed. */
export type Sent = { sentBytes: number; said: readonly string[] };

/** Looking for some thousand files takes a second on a slow disk. */
const askTimeoutMs = 5 * 60_000;
const retryPauseMs = { first: 100, factor: 1.7, max: 2_000 };
/** Held in memory of what several targets are sent at the same time, all together; what is beyond it is read for each target. */
const sharedBytesMax = 64 * 1024 * 1024;
/** So that nobody waits behind scripts that wait for their turn alone. */
const mutexName = "CuttleTransfer";
const windows = "Write-Error 'Packages can be deployed to machines with bash and tar only.'; exit 1";

/** What stands in the shared folder is not what was written there. */
export class ArchiveDamaged extends Error {
  constructor(sha256: string) {
    super(`The archive ${sha256} in the shared folder is damaged. Remove its file; the next deployment makes it again.`);
    this.name = "ArchiveDamaged";
  }
}

/**
 * Resolves when the target has all blocks of the archive, or as the failure to get them there. `further` is bash that runs after the question
 * and may be repeated: what it prints is handed on. Throws what the archive throws, and what the lost lease throws.
 */
export async function sendArchive(
  agents: Agents,
  target: TransferTarget,
  archive: SentArchive,
  further: string,
  run: TaskRun,
): Promise<Answer<Sent>> {
  const group = cacheGroup(target.group);
  const asked = await untilGone(run, target.agentGoneMs, () => ask(agents, target.agent, group, archive, further, run));
  if (!asked.ok) return asked;
  const missing = archive.blocks.filter((_, n) => !asked.reply.there[n]);
  const { said } = asked.reply;
  const distinct = [...new Map(missing.map((block) => [block.sha256, block])).values()];
  if (distinct.length === 0) return { ok: true, reply: { sentBytes: 0, said } };
  const sent = await upload(agents, target, archive, distinct, run);
  return sent.ok ? { ok: true, reply: { sentBytes: sent.reply, said } } : sent;
}

/** Which blocks the target need not unpack: a 1 or a 0 for each, as a word of its script. */
export function plainBlocksOf({ blocks }: Pick<SentArchive, "blocks">): string {
  return blocks.map(({ isPlain }) => (isPlain === true ? "1" : "0")).join("");
}

/** Puts a file for the target's script into the place for what is not checked yet; answers its path there. `knownSha1`: of its bytes, which cannot fail. */
export async function sendFile(
  agents: Agents,
  target: Pick<TransferTarget, "agent" | "agentGoneMs">,
  name: string,
  contents: FileContents,
  run: TaskRun,
  knownSha1?: string,
): Promise<Answer<string>> {
  const terms: CallTerms = { beforeSend: run.checkLease, lease: run.lease, signal: run.lost };
  const answer = await untilGone(run, target.agentGoneMs, async () => {
    const read: { sha1?: string; error?: unknown } = knownSha1 === undefined ? {} : { sha1: knownSha1 };
    const watched: FileContents =
      knownSha1 === undefined ? { length: contents.length, open: () => watch(contents.open(), read) } : contents;
    const given = await agents.uploadFile(target.agent, { path: `${incomingFolder}/${name}`, contents: watched }, terms);
    // What went wrong on this side ends the call as a lost connection; nothing is gained by doing it again.
    if ("error" in read) throw read.error;
    if (!given.ok) return given;
    if (given.reply.Hash === read.sha1 && given.reply.Length === contents.length) return given;
    return { ok: false, failure: "interrupted", message: "the agent stored other bytes than were sent to it" } as const;
  });
  return answer.ok ? { ok: true, reply: answer.reply.FullPath } : answer;
}

/** Asks again while the agent may come back; the last answer is given out. */
export async function untilGone<R>(run: TaskRun, agentGoneMs: number, call: () => Promise<Answer<R>>): Promise<Answer<R>> {
  const startedMs = run.clock.monotonicMs();
  let pauseMs = retryPauseMs.first;
  for (;;) {
    const answer = await call();
    if (answer.ok || answer.failure === "untrusted" || answer.failure === "refused" || answer.failure === "unsupported") return answer;
    if (run.clock.monotonicMs() - startedMs > agentGoneMs || run.cancelRequested.aborted) return answer;
    if (!(await run.clock.pause(pauseMs, AbortSignal.any([run.lost, run.cancelRequested])))) {
      if (run.lost.aborted) throw run.lost.reason;
      return answer;
    }
    pauseMs = Math.min(pauseMs * retryPauseMs.factor, retryPauseMs.max);
  }
}

async function ask(
  agents: Agents,
  agent: AgentAddress,
  group: string,
  archive: SentArchive,
  further: string,
  run: TaskRun,
): Promise<Answer<{ there: boolean[]; said: string[] }>> {
  const offered = await agents.capabilities(agent, { beforeSend: async () => {}, lease: run.lease, signal: run.lost });
  if (!offered.ok) return offered;
  if (!offered.reply.includes(capability.scriptServiceV2)) {
    const message = "its agent offers only the first script service, which packages cannot be deployed through; upgrade that agent";
    return { ok: false, failure: "unsupported", message };
  }
  const bash = [
    askFunctions,
    `cuttle_ask ${group} ${archive.sha256} <<'CUTTLE-BLOCKS' || exit 1`,
    ...archive.blocks.map((block) => block.sha256),
    "CUTTLE-BLOCKS",
    further,
    "",
  ].join("\n");
  const answer = await askByScript(
    agents,
    agent,
    { taskId: run.task.id, bash, powerShell: windows, timeoutMs: askTimeoutMs, mutexName },
    run,
  );
  if (!answer.ok) return answer;
  if (answer.reply === "late") {
    const message = `it did not say within ${askTimeoutMs / 60_000} minutes what it has of the package`;
    return { ok: false, failure: "interrupted", message };
  }
  const { exitCode, lines } = answer.reply;
  if (exitCode !== 0) {
    const message = `it could not be asked what it has of the package (exit code ${exitCode}): ${lines.slice(-3).join(" ")}`;
    return { ok: false, failure: "refused", message };
  }
  const bits = lines.flatMap((line) => /^blocks ([01]+)$/.exec(line)?.[1] ?? []).join("");
  if (bits.length !== archive.blocks.length)
    return {
      ok: false,
      failure: "refused",
      message: `it told of ${bits.length} blocks of the package instead of ${archive.blocks.length}`,
    };
  return { ok: true, reply: { there: Array.from(bits, (bit) => bit === "1"), said: lines.filter((line) => !/^blocks [01]+$/.test(line)) } };
}

async function upload(
  agents: Agents,
  target: TransferTarget,
  archive: SentArchive,
  missing: readonly SentBlock[],
  run: TaskRun,
): Promise<Answer<number>> {
  const length = tarredBytes(missing.map((block) => block.bytes));
  // Named by the epoch too: a former owner that wakes up writes to another file.
  const name = `${target.owner}-${run.task.epoch}-${archive.sha256}.tar`;
  const send = async (contents: FileContents, sha1?: string) => await sendFile(agents, target, name, contents, run, sha1);
  const shared = share(archive, missing, length);
  if (shared === undefined) {
    const answer = await send({ length, open: () => bundle(archive, missing) });
    return answer.ok ? { ok: true, reply: length } : answer;
  }
  try {
    const { pieces, sha1 } = await shared.made;
    const open = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces;
    };
    const answer = await send({ length, open }, sha1);
    return answer.ok ? { ok: true, reply: length } : answer;
  } finally {
    shared.release();
  }
}

/** A tar of these blocks, each of which was looked at. */
async function* bundle(archive: SentArchive, missing: readonly SentBlock[]): AsyncGenerator<Uint8Array> {
  const places = new Map<string, number>();
  let end = 0;
  for (const { sha256, bytes } of archive.blocks) {
    places.set(sha256, end);
    end += bytes;
  }
  for (const { sha256, bytes } of missing) {
    const at = places.get(sha256)!;
    const block = await archive.read(at, at + bytes);
    if (createHash("sha256").update(block).digest("hex") !== sha256) throw new ArchiveDamaged(archive.sha256);
    yield tarHeader({ name: sha256, kind: "file", isExecutable: false, bytes, linkTarget: "" });
    yield block;
    yield paddingOf(bytes);
  }
  yield endOfTar();
}

interface SharedBundle {
  made: Promise<{ pieces: readonly Uint8Array[]; sha1: string }>;
  bytes: number;
  users: number;
}

/** What goes out just now to several targets that lack the same; nothing of it stays when the last of them has it. */
const sharedBundles = new Map<string, SharedBundle>();

/** The same bytes for all who send them at this time: read and hashed once. Undefined when they are too many to be held in memory. */
function share(
  archive: SentArchive,
  missing: readonly SentBlock[],
  length: number,
): (Pick<SharedBundle, "made"> & { release(): void }) | undefined {
  const key = `${archive.sha256} ${createHash("sha1")
    .update(missing.map(({ sha256 }) => sha256).join())
    .digest("hex")}`;
  let shared = sharedBundles.get(key);
  if (shared === undefined) {
    const held = [...sharedBundles.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    if (held + length > sharedBytesMax) return undefined;
    shared = { made: collect(bundle(archive, missing)), bytes: length, users: 0 };
    sharedBundles.set(key, shared);
  }
  const mine = shared;
  mine.users += 1;
  return {
    made: mine.made,
    release() {
      mine.users -= 1;
      if (mine.users === 0 && sharedBundles.get(key) === mine) sharedBundles.delete(key);
    },
  };
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<{ pieces: readonly Uint8Array[]; sha1: string }> {
  const hash = createHash("sha1");
  const pieces: Uint8Array[] = [];
  for await (const piece of source) {
    hash.update(piece);
    pieces.push(piece);
  }
  return { pieces, sha1: hash.digest("hex") };
}

async function* watch(source: AsyncIterable<Uint8Array>, read: { sha1?: string; error?: unknown }): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha1");
  try {
    for await (const piece of source) {
      hash.update(piece);
      yield piece;
    }
    read.sha1 = hash.digest("hex");
  } catch (error) {
    read.error = error;
    throw error;
  }
}
