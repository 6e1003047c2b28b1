// Wrappers from the nursery and from the agent itself: each waits for its word, runs its script once, and never outlives its use.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test, type TestContext } from "node:test";
import { eventually, processesOf } from "../agent-process.ts";
import { createNursery, type Nursery, type PreparedWrapper } from "./nursery.ts";

const settings = { streamBytesMax: 1e6, umask: 0o22, environment: process.env };

interface Place {
  folder: string;
  nursery: Nursery;
  prepare(name: string): Promise<PreparedWrapper>;
  run(wrapper: PreparedWrapper, body: string): Promise<string>;
}

function place(t: TestContext, environment = settings.environment): Place {
  const folder = mkdtempSync(join(tmpdir(), "cuttle-nursery-"));
  const nursery = createNursery({ ...settings, environment });
  t.after(async () => {
    nursery.close();
    await eventually("all wrappers end", () => processesOf(folder).length === 0);
    rmSync(folder, { recursive: true });
  });
  return {
    folder,
    nursery,
    async prepare(name) {
      mkdirSync(join(folder, name));
      return nursery.prepare(join(folder, name), 1);
    },
    async run(wrapper, body) {
      const workspace = join(wrapper.record, "workspace");
      mkdirSync(workspace);
      writeFileSync(join(workspace, "Bootstrap.sh"), body);
      await wrapper.go(wrapper.record, { shell: "bash", workspace, arguments: ["a b", "'\n$x"] });
      const exit = join(wrapper.record, "exit");
      // A code counts once its line end is there: the file exists a moment before it is written.
      const hasCode = (): boolean => existsSync(exit) && readFileSync(exit, "utf8").endsWith("\n");
      await eventually("it has ended", () => hasCode() && existsSync(join(wrapper.record, "stdout.closed")));
      return `${readFileSync(join(wrapper.record, "stdout"), "utf8")}${readFileSync(exit, "utf8")}`;
    },
  };
}

/** The shell that has made a wrapper. */
function parentOf(wrapper: PreparedWrapper): number {
  const pid = Number(readFileSync(join(wrapper.record, "wrapper-1"), "utf8").split(" ")[0]);
  return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")[1]);
}

/** Its file exists a moment before it is written. */
function isPrepared(record: string): boolean {
  const note = join(record, "wrapper-1");
  return existsSync(note) && readFileSync(note, "utf8").endsWith("\n");
}

async function prepared(wrapper: PreparedWrapper): Promise<PreparedWrapper> {
  await eventually("it is prepared", () => isPrepared(wrapper.record));
  return wrapper;
}

test("a wrapper of the nursery runs its script with its arguments, as leader of a session, in the environment of the agent", async (t) => {
  const { prepare, run } = place(t, { PATH: process.env["PATH"], MINE: "seen" });
  const wrapper = await prepare("one");
  const body = 'printf "%s|" "$@" "$MINE" "$SHLVL"; (yes | head -1); ps -o sess= -p $$ | grep -qw "$PPID" && echo leads; exit 7';
  assert.equal(await run(wrapper, body), "a b|'\n$x|seen|2|y\nleads\n7\n");
  await eventually("the wrapper has ended", () => wrapper.hasEnded());
});

test("a wrapper's folder may be renamed the moment it is there, before the wrapper itself has begun", async (t) => {
  const { folder, nursery, prepare } = place(t);
  const moved = join(folder, "moved");
  mkdirSync(moved);
  for (let round = 0; round < 30; round++) {
    const [first, second] = await Promise.all([prepare(`${round}a`), prepare(`${round}b`)]);
    for (const wrapper of [first, second]) {
      const record = join(moved, basename(wrapper.record));
      renameSync(wrapper.record, record);
      await eventually("it is prepared", () => isPrepared(record));
      wrapper.dismiss();
    }
  }
  // A folder that is not there makes no wrapper, neither there nor elsewhere.
  await assert.rejects(nursery.prepare(join(folder, "missing"), 1));
});

test("a wrapper that is not wanted ends, and the others wait on", async (t) => {
  const { prepare, run } = place(t);
  const [first, second, third] = [await prepare("1"), await prepare("2"), await prepare("3")];
  for (const wrapper of [first, second, third]) await prepared(wrapper);
  first.dismiss();
  await eventually("the first ends", () => first.hasEnded());
  assert.deepEqual([second.hasEnded(), third.hasEnded()], [false, false]);
  assert.equal(await run(third, "echo third"), "third\n0\n");
  // The word comes too late for nobody else.
  third.dismiss();
  first.dismiss();
  assert.equal(await run(second, "echo second; exit 2"), "second\n2\n");
  assert.equal(existsSync(join(first.record, "started-1")), false);
});

test("when the nursery is killed its waiting wrappers end, and the agent starts wrappers itself", async (t) => {
  const { prepare, run } = place(t);
  const orphan = await prepared(await prepare("orphan"));
  process.kill(parentOf(orphan), "SIGKILL");
  await eventually("the wrapper notices", () => orphan.hasEnded());
  const own = await prepared(await prepare("own"));
  assert.equal(parentOf(own), process.pid);
  assert.equal(await run(own, "echo own; exit 3"), "own\n3\n");
});

test("on a machine without setsid the agent starts wrappers itself", async (t) => {
  const bin = mkdtempSync(join(tmpdir(), "cuttle-bin-"));
  t.after(() => rmSync(bin, { recursive: true }));
  for (const name of ["cat", "sleep"])
    writeFileSync(join(bin, name), `#!/bin/bash\nPATH=/usr/bin:/bin exec ${name} "$@"\n`, { mode: 0o755 });
  const { prepare, run } = place(t, { PATH: bin });
  const own = await prepared(await prepare("own"));
  assert.equal(parentOf(own), process.pid);
  assert.equal(await run(own, "echo own; exit 3"), "own\n3\n");
});
