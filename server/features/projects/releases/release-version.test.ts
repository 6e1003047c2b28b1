// What counts as a version, and the next one by a template.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isReleaseVersion, nextVersion } from "./release-version.ts";

const nowMs = Date.UTC(2026, 2, 1, 14, 5, 9);
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
    assert.deepEqual(nextVersion(template, { latest, nowMs }), { ok: true, version: expected }, `${template} after ${latest}`);
});

test("date, time, the channel's own releases and the project's variables may stand in a template", () => {
  const facts = {
    latest: "3.0.9",
    latestOfChannel: "2.4.1",
    channelName: "hotfix",
    variables: [
      { name: "Product.Line", value: "#{Octopus.Date.Year}.7" },
      { name: "Suffix", value: null },
    ],
    nowMs,
  };
  const cases: [string, string][] = [
    ["#{Octopus.Date.Year}.#{Octopus.Date.Month}.#{Octopus.Date.Day}.#{Octopus.Version.NextRevision}", "2026.3.1.1"],
    ["#{Octopus.Date.DayOfYear}.#{Octopus.Time.Hour}.#{Octopus.Time.Minute}#{Octopus.Time.Second}", "60.14.59"],
    ["#{Octopus.Version.Channel.LastMajor}.#{Octopus.Version.Channel.LastMinor}.#{Octopus.Version.Channel.NextPatch}", "2.4.2"],
    ["#{product.line}.#{Octopus.Version.NextPatch}-#{Octopus.Release.Channel.Name | ToUpper}#{Suffix}", "2026.7.10-HOTFIX"],
  ];
  for (const [template, expected] of cases) assert.deepEqual(nextVersion(template, facts), { ok: true, version: expected }, template);
});

test("a template with unknown variables or an impossible result says so", () => {
  const reasonOf = (template: string): string => {
    const next = nextVersion(template, { latest: "1.0.0", nowMs });
    return next.ok ? assert.fail(next.version) : next.reason;
  };
  assert.match(reasonOf("#{Project.Version}.1"), /uses #\{Project\.Version\}, which no variable/);
  assert.match(reasonOf("not a version"), /gives 'not a version', which is not a version/);
  assert.match(reasonOf("1.#{unless"), /cannot be read/);
});

test("versions are letters, digits and . _ + -, beginning with a letter or digit", () => {
  for (const good of ["1.0.0", "2026.1-beta.3+build", "main_17", "1"]) assert.ok(isReleaseVersion(good), good);
  for (const bad of ["", " 1", "-1", "1/2", "1 0", "..", "a".repeat(201), "1\n"]) assert.ok(!isReleaseVersion(bad), bad);
});
