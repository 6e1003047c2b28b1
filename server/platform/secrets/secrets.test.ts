// Master key, encryption, API keys and passwords, through the public file and on a real database.
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { startPostgres } from "../../../test/support/postgres.ts";
import { openDatabase } from "../database/database.ts";
import {
  createMasterKey,
  createSecrets,
  hashApiKey,
  hashPassword,
  masterKeyFile,
  newApiKey,
  openSecrets,
  parseMasterKey,
  passwordCharactersMax,
  verifyPassword,
} from "./secrets.ts";

const place = { table: "secrets", column: "ciphertext", row: "0c6e", space: "Spaces-1" };

async function setup(t: { after(run: () => Promise<void>): void }) {
  const { connection } = await (await startPostgres()).createDatabase();
  const database = openDatabase({ connection, applicationName: "cuttle-test", connectionsMax: 2 });
  const homes: string[] = [];
  t.after(async () => {
    await database.close();
    for (const home of homes) await fs.rm(home, { recursive: true });
  });
  return {
    database,
    newHome: async () => {
      const home = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-home-"));
      homes.push(home);
      return home;
    },
  };
}

test("a new database without a key gets one, kept in the home folder for this account only, and the same node finds it again", async (t) => {
  const { database, newHome } = await setup(t);
  const home = await newHome();
  const first = await openSecrets({ database, masterKey: undefined, home });
  assert.equal(first.masterKeyMade, true);
  assert.equal((await fs.stat(masterKeyFile(home))).mode & 0o777, 0o600);
  const stored = first.encrypt("s3cret", place);
  const again = await openSecrets({ database, masterKey: undefined, home });
  assert.equal(again.masterKeyMade, false);
  assert.equal(again.decrypt(stored, place), "s3cret");
  const text = await fs.readFile(masterKeyFile(home), "utf8");
  const other = await openSecrets({ database, masterKey: text, home: await newHome() });
  assert.equal(other.decrypt(stored, place), "s3cret");
});

test("a database that has a key refuses a node without it and a node with another, and changes nothing", async (t) => {
  const { database, newHome } = await setup(t);
  const right = createMasterKey();
  const home = await newHome();
  const opened = await openSecrets({ database, masterKey: right.text, home });
  assert.deepEqual(await fs.readdir(home), [], "a key the operator gave is not written anywhere");
  await assert.rejects(openSecrets({ database, masterKey: undefined, home }), {
    name: "MasterKeyProblem",
    kind: "required",
    message: /Set MASTER_KEY/,
  });
  assert.deepEqual(await fs.readdir(home), []);
  const wrong = createMasterKey();
  await assert.rejects(openSecrets({ database, masterKey: wrong.text, home }), (error: Error & { kind: string }) => {
    assert.equal(error.kind, "wrong");
    assert.ok(!error.message.includes(wrong.text) && !error.message.includes(right.text), "no key in the message");
    return true;
  });
  assert.equal((await openSecrets({ database, masterKey: right.text, home })).keyId, opened.keyId);
});

test("two nodes that begin one database at the same moment end with one key: the other node is told to be given it", async (t) => {
  const { database, newHome } = await setup(t);
  const homes = [await newHome(), await newHome()];
  const results = await Promise.allSettled(homes.map((home) => openSecrets({ database, masterKey: undefined, home })));
  const opened = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  assert.equal(opened.length, 1, JSON.stringify(results));
  const files = (await Promise.all(homes.map((home) => fs.readdir(home)))).flat();
  assert.deepEqual(files, ["master-key"]);
});

test("a key of the wrong length or with a character missing is refused as malformed", () => {
  for (const text of [
    "",
    "abc",
    "0123456789abcdef",
    Buffer.alloc(24).toString("base64"),
    Buffer.alloc(32).toString("base64").slice(1),
    `${Buffer.alloc(16).toString("base64")}x`,
  ]) {
    assert.throws(() => parseMasterKey(text), { kind: "malformed" }, text);
  }
  assert.notEqual(parseMasterKey(Buffer.alloc(16, 1).toString("base64")).id, parseMasterKey(Buffer.alloc(32, 1).toString("base64")).id);
});

test("a key that cannot be kept stops the start before anything is stored in the database", async (t) => {
  const { database } = await setup(t);
  const home = path.join(os.tmpdir(), "cuttle-home-that-is-not-there");
  await assert.rejects(openSecrets({ database, masterKey: undefined, home }), { kind: "not-stored" });
  assert.deepEqual(await database.query("SELECT name FROM cluster_settings WHERE name = 'master-key-check'"), []);
});

test("what was encrypted decrypts only in its own place: another table, column, row or space is refused", () => {
  const secrets = createSecrets(parseMasterKey(Buffer.alloc(16, 7).toString("base64")));
  const stored = secrets.encrypt("päss\nwörd", place);
  assert.equal(secrets.decrypt(stored, { ...place }), "päss\nwörd");
  for (const moved of [
    { table: "accounts" },
    { column: "other" },
    { row: "0c6f" },
    { space: "Spaces-2" },
    { space: null },
    { table: "secrets.ciphertext", column: "" },
  ]) {
    assert.throws(() => secrets.decrypt(stored, { ...place, ...moved }), { kind: "not-authentic" }, JSON.stringify(moved));
  }
});

test("every changed byte, a cut end, a foreign key and a later format are refused with their reason", () => {
  const secrets = createSecrets(createMasterKey());
  const stored = secrets.encrypt("value", place);
  for (let at = 0; at < stored.length; at++) {
    const changed = Buffer.from(stored);
    changed[at] = changed[at]! ^ 1;
    assert.throws(
      () => secrets.decrypt(changed, place),
      { name: "SecretUnreadable", kind: at === 0 ? "unknown-version" : at <= 8 ? "other-key" : "not-authentic" },
      `byte ${at}`,
    );
  }
  assert.throws(() => secrets.decrypt(stored.subarray(0, 20), place), { kind: "malformed" });
  assert.throws(() => secrets.decrypt(stored.subarray(0, -1), place), { kind: "not-authentic" });
  assert.throws(() => secrets.decrypt(Buffer.alloc(0), place), { kind: "malformed" });
  assert.throws(() => createSecrets(createMasterKey()).decrypt(stored, place), { kind: "other-key" });
});

test("the same value is stored differently each time and its text is nowhere in the bytes", () => {
  const secrets = createSecrets(createMasterKey());
  const many = new Set(Array.from({ length: 200 }, () => secrets.encrypt("canary-value", place).toString("hex")));
  assert.equal(many.size, 200);
  assert.ok(!secrets.encrypt("canary-value", place).includes("canary"));
  assert.equal(secrets.decrypt(secrets.encrypt("", place), place), "");
  assert.throws(() => secrets.encrypt("x".repeat(300_000), place), RangeError);
});

test("stored values of version 1 go on being readable", () => {
  const secrets = createSecrets(parseMasterKey("AAECAwQFBgcICQoLDA0ODw=="));
  const stored = Buffer.from("AfhdTuTRot4fVsrPLmIv0azNTVolBFH3NaumxtQdcEaMNZUKRsQ78uOy27mvD/tD+4iqGo5KHxEZJWl+sW307+Q5ZQ==", "base64");
  assert.equal(secrets.decrypt(stored, place), "read me in every later version");
});

test("API keys are long, random, in the usual form, and stored as SHA-256", () => {
  const keys = new Set(Array.from({ length: 1_000 }, newApiKey));
  assert.equal(keys.size, 1_000);
  for (const key of keys) assert.match(key, /^API-[A-Z0-9]{32}$/);
  assert.equal(hashApiKey("API-A").toString("hex"), "3d60aac78838c19d051fede70e0b7f3bacbaf1e67476e9b13b8482052961c23d");
});

test("a password checks against its hash of either algorithm and no other password does", async () => {
  for (const options of [{}, { algorithm: "scrypt" as const }]) {
    const stored = await hashPassword("correct horse", options);
    assert.match(stored, options.algorithm === "scrypt" ? /^\$scrypt\$N=131072,r=8,p=1\$/ : /^\$argon2id\$/);
    assert.equal(await verifyPassword("correct horse", stored), true);
    assert.equal(await verifyPassword("correct horsf", stored), false);
    assert.notEqual(await hashPassword("correct horse", options), stored);
  }
  assert.equal(await verifyPassword("anything", null), false);
  await assert.rejects(verifyPassword("x", "$future$1"), /unknown kind/);
  await assert.rejects(hashPassword("x".repeat(passwordCharactersMax + 1)), RangeError);
});
