// What file names say, and which say nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readPackageFileName } from "./package-name.ts";

test("id, version and extension come from the file name; the shortest id before a whole version counts", () => {
  const cases: [string, string, string, string][] = [
    ["Acme.1.0.0.zip", "Acme", "1.0.0", ".zip"],
    ["Acme.Web.1.0.0-beta.2+build.5.nupkg", "Acme.Web", "1.0.0-beta.2+build.5", ".nupkg"],
    ["Acme.2.1.0.0.0.zip", "Acme.2", "1.0.0.0", ".zip"],
    ["acme-web_x.2024.1.tar.gz", "acme-web_x", "2024.1", ".tar.gz"],
    ["App.1.JAR", "App", "1", ".jar"],
    ["Café.1.0.tgz", "Café", "1.0", ".tgz"],
  ];
  for (const [name, packageId, version, extension] of cases) {
    const read = readPackageFileName(name);
    assert.deepEqual([read.packageId, read.version.text, read.extension], [packageId, version, extension]);
  }
});

test("names without id, version or a known extension are refused with a sentence", () => {
  const refused = ["Acme.zip", "1.zip", "Acme.1.0.0", "Acme.1.0.0.exe", ".zip", "..1.0.zip", "Acme-1.zip", "A c.1.0.zip", "x.1.0/../y.zip"];
  for (const name of refused) assert.throws(() => readPackageFileName(name), { status: 400 }, name);
  assert.throws(() => readPackageFileName(`${"a.".repeat(50_000)}zip`), { status: 400 });
});
