// The lease protocol as a model (lease.pml), of which Spin tries every order of events: the rules as they are hold, and each rule that is
// broken is found out. Needs Spin and a C compiler, and takes seconds.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const model = fileURLToPath(new URL("./lease.pml", import.meta.url));
const missing = ["spin", "cc"].filter((program) => spawnSync(program, ["--version"], { stdio: "ignore" }).error !== undefined);
const skip = missing.length === 0 ? false : `there is no ${missing.join(" and no ")} on this machine`;

/** One check takes a fraction of a second; a state space that has grown beyond this is a fault of the model. */
const checkMsMax = 60_000;
/** Steps of the longest way that is tried. */
const depthMax = 100_000;

function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: "utf8", timeout: checkMsMax });
  if (error !== undefined) throw error;
  assert.equal(status, 0, `${program} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

/** The assertion that some order of events breaks, or "holds". Throws when not all orders were tried. */
function check(changes: readonly string[]): string {
  const folder = mkdtempSync(path.join(tmpdir(), "cuttle-model-"));
  try {
    run("spin", [...changes.map((change) => `-D${change}`), "-a", model], folder);
    run("cc", ["-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"], folder);
    const report = run(path.join(folder, "pan"), [`-m${depthMax}`], folder);
    const broken = /assertion violated \((.*?)\) \(at depth/.exec(report)?.[1];
    if (broken !== undefined) return broken;
    assert.match(report, /errors: 0/);
    assert.doesNotMatch(report, /search depth too small/);
    return "holds";
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const ranTwice = "executions<=1";
const twoResults = "results<=1";

const variants: readonly { what: string; changes: readonly string[]; expected: string }[] = [
  { what: "D2 D3 D4: as it is, a script runs once and one result is written", changes: [], expected: "holds" },
  { what: "an agent that remembers may be told to forget at once", changes: ["EARLY_COMPLETE", "TOMBSTONE"], expected: "holds" },
  { what: "D3: without the guard in the writing transaction there are two results", changes: ["NO_GUARD"], expected: twoResults },
  { what: "D2: a new ticket after a takeover runs the script twice", changes: ["NEW_TICKET"], expected: ranTwice },
  { what: "D2: and a look at the lease just before does not help", changes: ["NEW_TICKET", "LOOK_FIRST"], expected: ranTwice },
  { what: "D2: CompleteScript after a takeover runs it twice", changes: ["EARLY_COMPLETE"], expected: ranTwice },
  { what: "D2: and a look before StartScript does not help either", changes: ["EARLY_COMPLETE", "LOOK_FIRST"], expected: ranTwice },
  { what: "D2: nor may it pass a StartScript without an answer", changes: ["IGNORE_UNANSWERED"], expected: ranTwice },
];

test("the lease protocol, in every order of events", { skip }, async (t) => {
  for (const { what, changes, expected } of variants) await t.test(what, () => assert.equal(check(changes), expected));
});
