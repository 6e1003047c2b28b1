// What counts as a version, and the next one by a template.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isReleaseVersion, nextVersion } from "./release-version.ts";

const patch = "#{Octopus.Version.LastMajor}.#{Octopus.Version.LastMinor}.#{Octopus.Version.NextPatch}";

test("the next version follows the template and the latest release", () => {
  const cases: [string, string | undefined, string][] = [
    [patch, undefined, "0.0.1"],
    [patch, "1.2.3", "1.2.4"],
    [patch, "v1.2.3-beta", "1.2.4"],
    [patch, "nonsense", "0.0.1"],
    ["#{Octopus.Version.LastMajor}.#{Octopus.Version.NextMinor}.0", "4.9.1", "4.10.0"],
    ["#{Octopus.Version.NextMajor}.0", "4.9.1", "5.0"],
    ["1.0.#{octopus.version.nextpatch}-rc", "1.0.7", "1.0.8-rc"],
    ["#{Octopus.Version.LastMajor}.0.0.#{Octopus.Version.NextRevision}", "1.0.0.8", "1.0.0.9"],
  ];
  for (const [template, latest, expected] of cases)
    assert.deepEqual(nextVersion(template, latest), { ok: true, version: expected }, `${template} after ${latest}`);
});

test("a template with other variables or an impossible result says so", () => {
  assert.equal(nextVersion("#{Project.Version}", "1.0.0").ok, false);
  assert.equal(nextVersion("not a version", undefined).ok, false);
});

test("versions are letters, digits and . _ + -, beginning with a letter or digit", () => {
  for (const good of ["1.0.0", "2026.1-beta.3+build", "main_17", "1"]) assert.ok(isReleaseVersion(good), good);
  for (const bad of ["", " 1", "-1", "1/2", "1 0", "..", "a".repeat(201), "1\n"]) assert.ok(!isReleaseVersion(bad), bad);
});
