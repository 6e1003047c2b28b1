// The journal of a target: what other tools wrote is read, what was there before is found, and what may go is chosen.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseForgotten, findPrevious, readJournal, writeEntry } from "./journal.ts";
import type { JournalEntry } from "./journal.ts";
import { patternExpression, readPatterns } from "./name-patterns.ts";

const entry = (id: string, day: number, more: Partial<JournalEntry> = {}): JournalEntry => ({
  id,
  environmentId: "Environments-1",
  tenantId: "",
  projectId: "Projects-1",
  installedOn: `2026-01-${String(day).padStart(2, "0")} 10:00:00`,
  retentionPolicySet: "set",
  extractedTo: `/apps/${id}`,
  customInstallationDirectory: "",
  wasSuccessful: true,
  packages: [{ packageId: "Acme", packageVersion: `${day}.0`, deployedFrom: "" }],
  ...more,
});

test("an entry comes back as it was written, and so does one of the official product", () => {
  const odd = entry("a", 1, { extractedTo: `/apps/"a" & <b>\n`, wasSuccessful: false });
  assert.deepEqual(readJournal(`<?xml version="1.0"?>\n<Deployments>\n${writeEntry(odd)}\n</Deployments>`), [odd]);
  const official = `<?xml version="1.0" encoding="utf-8"?>
<Deployments>
  <Deployment Id="d0" EnvironmentId="Environments-1" ProjectId="Projects-1" InstalledOn="2026-01-02 10:00:00" RetentionPolicySet="s" ExtractedTo="/a/b" WasSuccessful="True">
    <Package PackageId="Acme" PackageVersion="1.0" DeployedFrom="/x.zip" />
  </Deployment>
  <Deployment Id="d1" ExtractedTo="/a/c" />
</Deployments>`;
  const [first, second] = readJournal(official);
  assert.equal(first!.wasSuccessful, true);
  assert.deepEqual(first!.packages, [{ packageId: "Acme", packageVersion: "1.0", deployedFrom: "/x.zip" }]);
  assert.deepEqual([second!.id, second!.extractedTo, second!.packages], ["d1", "/a/c", []]);
  assert.deepEqual(readJournal("no xml at all <Deployment"), []);
});

test("D2: its own entry is not what was there before, so a takeover does not pass its deployment over", () => {
  const entries = [
    entry("old", 1),
    entry("failed", 2, { wasSuccessful: false }),
    entry("other", 3, { retentionPolicySet: "x" }),
    entry("own", 4),
  ];
  const { latest, latestSuccessful } = findPrevious(entries, { retentionPolicySet: "set", ownId: "own" });
  assert.deepEqual([latest?.id, latestSuccessful?.id], ["failed", "old"]);
});

test("what may go: by number or by days, never the last good one, never a folder that is still used", () => {
  const entries = [1, 2, 3, 4, 5].map((day) => entry(`d${day}`, day, { wasSuccessful: day !== 4 }));
  const now = "2026-01-06 10:00:00";
  const choose = (retention: Parameters<typeof chooseForgotten>[1]["retention"], of = entries) =>
    chooseForgotten(of, { retentionPolicySet: "set", ownId: "own", ownFolder: "/apps/own", now, retention }).ids.toSorted();
  assert.deepEqual(choose({ keep: "forever" }), []);
  assert.deepEqual(choose({ keep: "items", quantity: 2 }), ["d1", "d2"]);
  assert.deepEqual(choose({ keep: "items", quantity: 1 }), ["d1", "d2", "d3", "d4"]);
  assert.deepEqual(choose({ keep: "days", quantity: 3 }), ["d1", "d2"]);
  assert.deepEqual(choose({ keep: "days", quantity: 1 }, entries.slice(0, 2)), ["d1"], "the last good one stays");
  const shared = entries.map((one) => ({ ...one, extractedTo: "/apps/own" }));
  const wanted = {
    retentionPolicySet: "set",
    ownId: "own",
    ownFolder: "/apps/own",
    now,
    retention: { keep: "items", quantity: 1 } as const,
  };
  assert.deepEqual(chooseForgotten(shared, wanted).folders, []);
  assert.deepEqual(chooseForgotten(entries, { ...wanted, now: "who knows", retention: { keep: "days", quantity: 1 } }).ids, []);
});

test("patterns of names mean the same here and in bash", () => {
  const fits = (pattern: string, name: string): boolean => new RegExp(patternExpression(pattern)).test(name);
  for (const [pattern, name, expected] of [
    ["*.json", "a.json", true],
    ["*.json", "b/a.json", false],
    ["**/*.json", "a.json", true],
    ["**/*.json", "b/c/a.json", true],
    ["conf/**", "conf/a/b", true],
    ["a?c.(x)", "abc.(x)", true],
    ["a.c", "abc", false],
  ] as const)
    assert.equal(fits(pattern, name), expected, `${pattern} ${name}`);
  assert.deepEqual(readPatterns("a\r\n\n ./b \nc\\d"), ["a", "b", "c/d"]);
  for (const bad of ["/etc/passwd", "../x", "a/../../x", "C:\\x"]) assert.throws(() => readPatterns(bad), RangeError, bad);
});
