// Settings from flags, environment and files: defaults, precedence, limits, and faults told all at once without a secret in them.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { ConfigProblem, readConfig, settings } from "./config.ts";
import type { ConfigSources, ServerConfig } from "./config.ts";

function read(flags: ConfigSources["flags"], environment: NodeJS.ProcessEnv = {}): { config: ServerConfig; warnings: string[] } {
  const warnings: string[] = [];
  return { config: readConfig({ flags, environment, warn: (sentence) => warnings.push(sentence) }), warnings };
}

function faultsOf(flags: ConfigSources["flags"], environment: NodeJS.ProcessEnv = {}): readonly string[] {
  try {
    read(flags, environment);
  } catch (error) {
    if (error instanceof ConfigProblem) return error.faults;
    throw error;
  }
  return [];
}

test("without any setting a node listens on this machine only and brings its own database", () => {
  const { config, warnings } = read({ home: "/srv/cuttle", serverNodeName: "n1" });
  assert.deepEqual(config, {
    home: "/srv/cuttle",
    nodeName: "n1",
    web: [{ host: "127.0.0.1", port: 8065 }],
    webListenPrefixes: "http://127.0.0.1:8065",
    commsPort: 10943,
    commsHost: undefined,
    commsAddress: { host: os.hostname().toLowerCase(), port: undefined },
    sharedFolder: "/srv/cuttle/shared",
    adoptSharedFolder: false,
    stopDelayMs: 0,
    taskCap: 5,
    taskCapGiven: false,
    agentArchives: undefined,
    builtInWorker: "auto",
    logLevel: "info",
    database: {
      kind: "embedded",
      dataRoot: "/srv/cuttle/database",
      programsFolder: undefined,
      sharePort: undefined,
      serviceAccount: undefined,
    },
    masterKey: undefined,
    administrator: { username: undefined, email: undefined, password: undefined, apiKey: undefined },
  });
  assert.deepEqual(warnings, []);
  assert.ok(path.isAbsolute(read({}).config.home) && read({}).config.nodeName !== "");
});

test("every setting can be given as flag and as environment variable, and the flag wins", () => {
  const values: Partial<Record<keyof typeof settings, [string, string]>> = {
    home: ["/a", "/b"],
    serverNodeName: ["flag", "environment"],
    webListenPrefixes: ["http://*:1", "http://*:2"],
    commsListenPort: ["1", "2"],
    commsListenAddress: ["127.0.0.1", "::1"],
    commsAddress: ["node-2.example.com", "node-3.example.com:443"],
    clusterShared: ["/c", "/d"],
    adoptSharedFolder: ["false", "true"],
    stopDelay: ["3", "4"],
    taskCap: ["1", "2"],
    logLevel: ["warn", "error"],
    shareDb: ["1", "2"],
    pgBin: ["/e", "/f"],
    serviceAccount: ["g", "h"],
    agentArchives: ["/i", "/j"],
    databaseFolder: ["/k", "/l"],
    builtInWorker: ["true", "false"],
    masterKey: [Buffer.alloc(16, 1).toString("base64"), Buffer.alloc(16, 2).toString("base64")],
    adminUsername: ["ann", "bob"],
    adminEmail: ["ann@x", "bob@x"],
    adminPassword: ["password1", "password2"],
    adminApiKey: ["API-AAAAAAAAAAAAAAAA", "API-BBBBBBBBBBBBBBBB"],
    dbConnectionString: ["postgres://u:p@flag/d", "postgres://u:p@environment/d"],
  };
  assert.deepEqual(Object.keys(values).sort(), Object.keys(settings).sort());
  for (const [name, [flag, environment]] of Object.entries(values) as [keyof typeof settings, [string, string]][]) {
    const names = { [settings[name].environment]: environment };
    const fromEnvironment = JSON.stringify(read({}, names).config);
    assert.notEqual(fromEnvironment, JSON.stringify(read({}).config), settings[name].environment);
    const both = JSON.stringify(read({ [name]: flag }, names).config);
    assert.notEqual(both, fromEnvironment);
    assert.equal(both, JSON.stringify(read({ [name]: flag }).config));
  }
});

test("a secret given as a flag works, with a warning that names the better way and not the secret", () => {
  const { config, warnings } = read({ adminPassword: "hunter22" });
  assert.equal(config.administrator.password, "hunter22");
  assert.equal(warnings.length, 1);
  assert.ok(warnings[0]!.includes("ADMIN_PASSWORD_FILE") && !warnings[0]!.includes("hunter22"));
});

test("a secret may stand in a file; one that cannot be read is a fault", (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cuttle-config-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  fs.writeFileSync(path.join(folder, "password"), "from a file\n");
  assert.equal(read({}, { ADMIN_PASSWORD_FILE: path.join(folder, "password") }).config.administrator.password, "from a file");
  assert.match(faultsOf({}, { ADMIN_PASSWORD_FILE: path.join(folder, "none") })[0]!, /ADMIN_PASSWORD_FILE.*ENOENT/);
});

test("all faults are told at once, one sentence each, with the name of the setting and never with a secret", () => {
  const faults = faultsOf(
    {
      serverNodeName: "no/slash",
      webListenPrefixes: "https://x:1,nonsense,http://z:70000",
      commsListenPort: "70000",
      commsListenAddress: "10.0.0.1/24",
      commsAddress: "https://node-2",
      taskCap: "-1",
      shareDb: "1",
    },
    { DB_CONNECTION_STRING: "postgres://u:hunter22@h", MASTER_KEY: "hunter22", ADMIN_API_KEY: "hunter22", ADMIN_EMAIL: "nobody" },
  );
  const wanted = [
    "serverNodeName",
    "webListenPrefixes",
    "webListenPrefixes",
    "webListenPrefixes",
    "commsListenPort",
    "commsListenAddress",
    "commsAddress",
    "taskCap",
    "shareDb",
    "dbConnectionString",
    "masterKey",
    "adminEmail",
    "adminApiKey",
  ];
  assert.equal(faults.length, wanted.length, faults.join("\n"));
  for (const [index, name] of wanted.entries()) assert.ok(faults[index]!.startsWith(`--${name} (`), faults[index]);
  assert.ok(!faults.join("\n").includes("hunter22"));
});

test("listening addresses are read with their hosts and ports", () => {
  const web = (text: string): unknown => read({ webListenPrefixes: text }).config.web;
  assert.deepEqual(web("http://localhost:8065, http://[::1]:8066/;http://+:0"), [
    { host: "127.0.0.1", port: 8065 },
    { host: "::1", port: 8066 },
    { host: undefined, port: 0 },
  ]);
  assert.deepEqual(web("http://10.1.2.3"), [{ host: "10.1.2.3", port: 80 }]);
  const text = read({ webListenPrefixes: "http://localhost:1/octopus;http://*" }).config.webListenPrefixes;
  assert.equal(text, "http://127.0.0.1:1/octopus,http://*:80");
  assert.match(faultsOf({ webListenPrefixes: " , " })[0]!, /names no address/);
});

test("agents are told a node's address as it was given, else one at which others may reach it, and never loopback by itself", () => {
  const told = (flags: Parameters<typeof read>[0]): unknown => read(flags).config.commsAddress;
  assert.deepEqual(told({ commsAddress: "Node-2.Example.com" }), { host: "node-2.example.com", port: undefined });
  assert.deepEqual(told({ commsAddress: "10.1.2.3:443" }), { host: "10.1.2.3", port: 443 });
  assert.deepEqual(told({ commsAddress: "[fd00::2]:11000" }), { host: "fd00::2", port: 11_000 });
  assert.deepEqual(told({ commsAddress: "fd00::2" }), { host: "fd00::2", port: undefined });
  assert.deepEqual(told({ commsListenAddress: "10.1.2.3" }), { host: "10.1.2.3", port: undefined });
  for (const listensOn of ["127.0.0.1", "localhost", "::1"]) assert.equal(told({ commsListenAddress: listensOn }), undefined);
  assert.deepEqual(told({ commsListenAddress: "127.0.0.1", commsAddress: "127.0.0.1" }), { host: "127.0.0.1", port: undefined });
  assert.equal(told({ commsAddress: "None" }), undefined);
  for (const wrong of ["a b", "node-2:0", "node-2:70000", "node-2:x", "", "[fd00::2", "-node", "a:1:2"])
    assert.equal(faultsOf({ commsAddress: wrong }).length, 1, wrong);
});

test("a misspelt CUTTLE_ variable is told", () => {
  assert.match(read({}, { CUTTLE_TASKCAP: "3" }).warnings[0]!, /CUTTLE_TASKCAP is not a setting/);
});
