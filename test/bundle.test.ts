// The agent's bundle as somebody gets it: unpacked somewhere, without the packages of a checkout, on a Node of the machine. The server's,
// which takes longer, is in test/long/.
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { archivesFolder, noTar, readyLine } from "./support/unpacked-archive.ts";

const archiveBytesMax = 3 * 1024 * 1024;
const archives = archivesFolder();

test("the agent's archive is small, the same bytes each time, and runs where no packages are", noTar, async () => {
  const one = await archives.unpacked("agent", "one");
  const two = await archives.unpacked("agent", "two");
  assert.equal(one.sha256, two.sha256);
  assert.ok(one.bytes < archiveBytesMax, `${one.bytes} bytes`);
  const ready = await readyLine(path.join(one.folder, "cuttle-agent"), [
    "run",
    "--home",
    path.join(archives.path, "agent-home"),
    "--port",
    "0",
    "--listen-address",
    "127.0.0.1",
  ]);
  assert.equal(ready["version"], one.version);
  const licences = await fs.readFile(path.join(one.folder, "THIRD-PARTY.txt"), "utf8");
  for (const name of ["commander", "@peculiar/x509"]) assert.match(licences, new RegExp(`^${name} \\d`, "m"));
});
