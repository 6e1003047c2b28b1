// Which account runs scripts on the server. Holds S1: by default never one that can read what the server keeps.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseWorkerAccount } from "./worker-account.ts";

const machine = (uid: number, passwd: string, platform: NodeJS.Platform = "linux") => ({ platform, uid, passwd: async () => passwd });
const usual = "root:x:0:0::/root:/bin/bash\nnobody:x:65534:65534::/:/usr/sbin/nologin\ncuttle:x:999:998::/var/lib/cuttle:/bin/sh\n";

test("S1: root lends the account made for it, else a number that nobody has; never root, nor that of the database", async () => {
  const named = `${usual}cuttle-worker:x:1200:1300::/:/bin/sh\n`;
  assert.deepEqual(await chooseWorkerAccount("auto", machine(0, named)), { kind: "own", uid: 1200, gid: 1300 });
  assert.deepEqual(await chooseWorkerAccount("true", machine(0, usual)), { kind: "own", uid: 59_713, gid: 59_713 });
  const taken = `${usual}anna:x:59713:100::/home/anna:/bin/sh\nbob:x:1:59712::/:/bin/sh\ncuttle-worker:x:0:0::/:/bin/sh\n`;
  assert.deepEqual(await chooseWorkerAccount("auto", machine(0, taken)), { kind: "own", uid: 59_711, gid: 59_711 });
});

test("S1: a server that is not root runs no scripts under its own account, unless it was told to", async () => {
  const refused = await chooseWorkerAccount("auto", machine(1000, usual));
  assert.ok(refused.kind === "none" && /could read its secrets/.test(refused.why));
  assert.deepEqual(await chooseWorkerAccount("true", machine(1000, usual)), { kind: "same" });
  for (const uid of [0, 1000]) assert.equal((await chooseWorkerAccount("false", machine(uid, usual))).kind, "none");
  assert.equal((await chooseWorkerAccount("true", machine(0, usual, "darwin"))).kind, "none");
});
