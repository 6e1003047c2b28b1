// The agent's local commands beside those of a widely used agent, as recorded: same words, same exit codes, same settings files. The commands
// run in the recorded order on one machine's folders. What differs on purpose is listed with its reason.
import assert from "node:assert/strict";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { instanceThere } from "./chosen-configuration.ts";
import { type CommandIo, runCommand } from "./commands.ts";

const fixtures = new URL("../../contract/fixtures/agent-commands/", import.meta.url);
const version = "9.1.0";

interface Recording {
  words: string[];
  environment: NodeJS.ProcessEnv;
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Recordings that are not compared as a whole, and why. */
const differs: { readonly [name: string]: string } = {
  "01-no-arguments": "descriptions are our own; names are compared below",
  "02-help": "descriptions are our own; names are compared below",
  "03-help-create-instance": "options are compared below",
  "04-help-register-with": "options are compared below",
  "05-help-configure": "options are compared below",
  "06-help-service": "options are compared below",
  "07-help-register-worker": "options are compared below",
  "08-help-poll-server": "options are compared below",
  "09-help-json": "descriptions are our own; names are compared below",
  "16-show-thumbprint-no-instance": "it was recorded in a folder that had a settings file",
  "32-import-certificate-pfx-wrong-password": "one line instead of a stack; exit code and the line are compared below",
  "44-configure-bad-port": "one line instead of a stack; exit code and the line are compared below",
  "45-configure-port-out-of-range": "a port that cannot be is refused, exit code 1, instead of kept",
  "56-clear-trusted-servers-with-a-listening-entry": "it works; see below",
  "63-poll-server-reuse-thumbprint": "the new entry polls, instead of being one that does nothing; output is compared below",
  "65-clear-trusted-servers-keep": "it works; see below",
  "66-clear-trusted-servers": "it works; see below",
  "68-show-configuration-file-new": "it works; see below",
  "74-service-without-sudo": "needs a user without rights",
  "87-environment-override": "proxies are shown too; compared below",
};

const folder = mkdtempSync(join(tmpdir(), "cuttle-commands-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const systemd = join(folder, "etc/systemd/system");
const programs = join(folder, "programs");
for (const made of [systemd, programs, join(folder, "home/somewhere"), join(folder, "etc/octopus")]) mkdirSync(made, { recursive: true });
writeFileSync(join(programs, "systemctl"), `#!/bin/sh\necho "systemctl $*" >>"${folder}/systemctl.txt"\n`);
chmodSync(join(programs, "systemctl"), 0o755);

/** A command as one of this machine's would run: what it says, with the folders' place taken out. */
async function run(words: readonly string[], more: { environment?: NodeJS.ProcessEnv; in?: string } = {}) {
  let [stdout, stderr] = ["", ""];
  const io: CommandIo = {
    environment: {
      ...process.env,
      PATH: `${programs}:${process.env["PATH"]}`,
      TentacleMachineConfigurationHomeDirectory: join(folder, "etc/octopus"),
      SYSTEMD_UNIT_PATH: systemd,
      ...more.environment,
    },
    folder: more.in ?? folder,
    version,
    programName: "Tentacle",
    program: ["/opt/octopus/tentacle/Tentacle"],
    say: (line) => void (stdout += `${line}\n`),
    print: (text) => void (stdout += text),
    complain: (line) => void (stderr += `${line}\n`),
    serve: () => assert.fail("no agent is to run"),
  };
  const exitCode = await runCommand(
    words.map((word) => word.replace(/^\/(etc\/octopus|home)(?=\/)/, `${folder}/$1`)),
    io,
  );
  return { exitCode, stdout: stdout.replaceAll(folder, ""), stderr: stderr.replaceAll(folder, "") };
}

function read(name: string): Recording {
  const text = readFileSync(new URL(`${name}.txt`, fixtures), "utf8");
  const parts = /^command: (.*)\nexit: (\d+)\n--- stdout( \(no final newline\))?\n([\s\S]*?)--- stderr\n?([\s\S]*)$/.exec(text);
  assert.ok(parts, name);
  const [, command, exitCode, cut, stdout, stderr] = parts;
  const words = [...command!.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
  const variables = words.splice(0, words.indexOf("Tentacle")).map((word) => word.split("=") as [string, string]);
  return {
    words: words.slice(1),
    environment: Object.fromEntries(variables),
    exitCode: Number(exitCode),
    stdout: cut === undefined ? stdout! : stdout!.replace(/\n$/, ""),
    stderr: stderr!,
  };
}

/** What differs from run to run: thumbprints of made certificates, and subscriptions. */
function steady(text: string): string {
  return text
    .replace(/\b(?!([0-9A-F])\1{39})[0-9A-F]{40}\b/g, "<thumbprint>")
    .replace(/poll:\/\/[a-z0-9]{20}\//g, "poll://<subscription>/")
    .replaceAll("70000", "10933"); // what was refused is not kept
}

const names = readdirSync(fixtures)
  .filter((name) => /^\d\d-.*\.txt$/.test(name))
  .map((name) => name.replace(/\.txt$/, ""))
  .sort();

for (const name of names) {
  if (name in differs) continue;
  test(`as recorded: ${name}`, async () => {
    await prepareFor(name);
    const recorded = read(name);
    const ran = await run(recorded.words, { environment: recorded.environment, in: join(folder, "home/somewhere") });
    const expected = steady(adapt(name, recorded.stdout));
    assert.deepEqual(
      { ...ran, stdout: steady(ran.stdout), stderr: ran.stderr },
      { exitCode: recorded.exitCode, stdout: expected, stderr: recorded.stderr },
    );
    checkSettingsFile(name);
  });
}

/** Steps of the recorded row that differ, so that the next ones find the same machine. */
async function prepareFor(name: string): Promise<void> {
  if (name === "20-create-instance") rmSync(join(folder, "home/somewhere/Tentacle.config"), { force: true });
  if (name === "46-configure-nothing") {
    const words = ["configure", "--instance", "Tentacle", "--port"];
    assert.deepEqual(await run([...words, "abc"]), {
      exitCode: 100,
      stdout: "",
      stderr: "The input string 'abc' was not in a correct format.\n",
    });
    assert.deepEqual(await run([...words, "70000"]), {
      exitCode: 1,
      stdout: "",
      stderr: "70000 is too large; the largest number here is 65535.\n",
    });
  }
  if (name === "33-import-certificate-file") {
    const recorded = read("32-import-certificate-pfx-wrong-password");
    const ran = await run(recorded.words);
    assert.deepEqual([ran.exitCode, ran.stdout], [recorded.exitCode, recorded.stdout]);
    assert.equal(ran.stderr, `${recorded.stderr.split("\n")[1]}\n`);
  }
  if (name === "64-show-configuration-polling") {
    const recorded = read("63-poll-server-reuse-thumbprint");
    const ran = await run(recorded.words);
    assert.deepEqual(ran, { exitCode: recorded.exitCode, stdout: recorded.stdout, stderr: "" });
  }
}

/** What the recording would say without the fault that ours does not have. */
function adapt(name: string, stdout: string): string {
  if (!/show-configuration|environment-override/.test(name)) return stdout;
  return stdout.replace(
    /"CommunicationStyle": 1,\n(\s+"Address": "https:\/\/server3[^,]+,\n\s+"Squid": null,\n\s+"SubscriptionId": )null/,
    '"CommunicationStyle": 2,\n$1"poll://<subscription>/"',
  );
}

const settingsFiles: { readonly [afterName: string]: string } = {
  "20-create-instance": "config-after-create-instance.xml",
  "40-configure-trust-two": "config-listening-two-trusted.xml",
  "55-server-comms-passive": "config-after-server-comms.xml",
  "71-polling-proxy": "config-with-proxies.xml",
};

function checkSettingsFile(name: string): void {
  const recorded = settingsFiles[name];
  if (recorded === undefined) return;
  const plain = (text: string): string =>
    steady(text.replaceAll(folder, ""))
      .replace(/(key="[^"]*(?:Certificate|Password)">)[^<]+/g, "$1…")
      .replace(
        /"CommunicationStyle":1,"Address":"https:\/\/server3([^}]+)"SubscriptionId":null/,
        '"CommunicationStyle":2,"Address":"https://server3$1"SubscriptionId":"poll://<subscription>/"',
      )
      // Thumbprints are kept in upper case, so that servers that compare them as they stand find them.
      .replace(/b{40}/g, "B".repeat(40));
  const kept = readFileSync(join(folder, "etc/octopus/Tentacle/tentacle-Tentacle.config"), "utf8");
  assert.equal(plain(kept), plain(readFileSync(new URL(recorded, fixtures), "utf8")));
}

test("the commands of help are those that were recorded, without Kubernetes, and a few of our own", async () => {
  const recorded = (JSON.parse(read("09-help-json").stdout) as { Commands: { Name: string; Aliases: string[] }[] }).Commands;
  const { stdout, exitCode } = await run(["help", "--format=json"]);
  const own = (JSON.parse(stdout) as { Commands: { Name: string; Description: string; Aliases: string[] }[] }).Commands;
  const kubernetes = /k8s/;
  assert.equal(exitCode, 0);
  assert.deepEqual(
    own.filter(({ Name }) => !["export-certificate", "join"].includes(Name)).map(({ Name }) => Name),
    recorded.filter(({ Name }) => !kubernetes.test(Name)).map(({ Name }) => Name),
  );
  for (const { Name, Aliases } of own)
    assert.deepEqual(Aliases, recorded.find((one) => one.Name === Name)?.Aliases.filter((alias) => alias !== "") ?? []);
  const pages = [await run([]), await run(["help"]), await run(["--help"])];
  assert.deepEqual(
    pages.map((page) => page.exitCode),
    [2, 0, 0],
  );
  for (const page of pages)
    for (const { Name, Description } of own) assert.ok(page.stdout.includes(`  ${Name.padEnd(15)}\n   ${Description}\n`));
});

test("the options of each recorded help page are there", async () => {
  for (const name of names.filter((one) => /^0[3-8]-help/.test(one))) {
    const { words, stdout } = read(name);
    const options = (text: string): string[] =>
      [...text.matchAll(/^ +(-\w, )?((?:--[\w-]+(?:, )?)+)(=VALUE)?/gm)].map(([line]) => line.trim());
    const page = (await run(words)).stdout;
    const missing = options(stdout).filter((option) => !options(page).includes(option));
    assert.deepEqual(missing, [], name);
  }
});

test("trusted servers are cleared whatever they are, and those to keep are kept", async () => {
  const file = join(folder, "clear.config");
  const server = (more: object) => ({
    Thumbprint: "A".repeat(40),
    CommunicationStyle: 2,
    Address: null,
    Squid: null,
    SubscriptionId: null,
    ...more,
  });
  const servers = [
    server({ CommunicationStyle: 1 }),
    server({ Address: "https://one.example:10943", SubscriptionId: "poll://a/" }),
    server({ Address: "https://two.example:10943", SubscriptionId: "poll://a/" }),
  ];
  const trust = `<octopus-settings><set key="Tentacle.Communication.TrustedOctopusServers">${JSON.stringify(servers)}</set></octopus-settings>`;
  writeFileSync(file, trust);
  const kept = async (): Promise<string[]> => {
    const { stdout } = await run(["show-configuration", "--config", file]);
    return JSON.parse(stdout).Tentacle.Communication.TrustedOctopusServers.map((one: { Address: string }) => one.Address);
  };
  assert.equal((await run(["clear-trusted-servers", "--config", file, "--keep", "https://ONE.example:10943/"])).exitCode, 0);
  assert.deepEqual(await kept(), ["https://one.example:10943"]);
  assert.equal((await run(["clear-trusted-servers", "--config", file])).exitCode, 0);
  assert.deepEqual(await kept(), []);
});

test("A1: a damaged instance file is told by name, hides no other instance, and create-instance writes it anew", async () => {
  const registry = join(folder, "damaged");
  const environment = { TentacleMachineConfigurationHomeDirectory: registry };
  for (const name of ["sound", "torn"])
    await run(["create-instance", "--instance", name, "--config", join(registry, `${name}/x.config`)], { environment });
  const torn = join(registry, "Tentacle/Instances/torn.config");
  writeFileSync(torn, "");
  const listed = await run(["list-instances"], { environment });
  assert.equal(listed.exitCode, 0);
  assert.match(listed.stdout, /^Instance 'sound' uses configuration '[^']*'\.\n$/);
  assert.match(listed.stderr, /Instances\/torn\.config is damaged and names no instance; create-instance/);
  assert.equal((await run(["show-configuration", "--instance", "sound"], { environment })).exitCode, 0);
  const asked = await run(["show-configuration", "--instance", "torn"], { environment });
  assert.equal(asked.exitCode, 1);
  assert.match(asked.stderr, /Available instances: sound\. .*torn\.config is damaged/);
  rmSync(join(registry, "Tentacle/Instances/sound.config"));
  assert.equal(await instanceThere({ folder: registry, environment }), true, "no agent starts in another home instead");
  await run(["create-instance", "--instance", "torn", "--config", join(registry, "torn/x.config")], { environment });
  assert.equal((await run(["show-configuration", "--instance", "torn"], { environment })).exitCode, 0);
});

test("port 0 is no port of a server or of a machine", async () => {
  const file = join(folder, "port-0.config");
  await run(["configure", "--config", file, "--trust", "A".repeat(40)]);
  const server = ["--thumbprint", "A".repeat(40), "--style", "TentacleActive", "--host", "node-2"];
  for (const words of [
    ["server-comms", ...server, "--port", "0"],
    ["poll-server", "--server", "http://127.0.0.1:1", "--apiKey", "API-X", "--server-comms-port", "0"],
  ]) {
    const { exitCode, stderr } = await run([...words, "--config", file]);
    assert.deepEqual([exitCode, stderr], [1, "0 is no port that anybody can connect to.\n"], words[0]);
  }
  assert.doesNotMatch((await run(["show-configuration", "--config", file])).stdout, /node-2/);
});

test("a server that speaks plain HTTP where TLS was expected is told in words", async () => {
  const server = createServer((_request, response) => void response.end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `https://127.0.0.1:${(server.address() as { port: number }).port}`;
  const file = join(folder, "plain.config");
  await run(["new-certificate", "--config", file]);
  const { exitCode, stderr } = await run(["deregister-from", "--config", file, "--server", address, "--apiKey", "API-X"]);
  server.close();
  const words = `Unable to connect to the server at ${address}/: it does not speak TLS there. Is its address http:// instead of https://?\n`;
  assert.deepEqual([exitCode, stderr], [100, words]);
});

test("the environment changes what an agent runs with, not what its configuration is shown as; proxies are shown without passwords", async () => {
  const { words, environment, stdout } = read("87-environment-override");
  assert.deepEqual(environment, { TENTACLE_SERVICE_PORT: "20933" });
  const shown = JSON.parse(steady((await run(words, { environment })).stdout));
  const { Proxy, Server, ...rest } = shown.Octopus;
  const proxy = { ProxyPort: 3128, ProxyUsername: "joe", UseDefaultProxy: false };
  assert.deepEqual([Proxy, Server], [proxy, { Proxy: proxy }]);
  assert.deepEqual({ ...shown, Octopus: rest }, JSON.parse(steady(adapt("87-environment-override", stdout))));
});

test("the configuration is written to a file that is not there yet", async () => {
  const target = join(folder, "shown.json");
  assert.deepEqual(await run(["show-configuration", "--instance", "Tentacle", "--file", target]), { exitCode: 0, stdout: "", stderr: "" });
  assert.deepEqual(
    JSON.parse(readFileSync(target, "utf8").replaceAll(folder, "")),
    JSON.parse((await run(["show-configuration", "--instance", "Tentacle"])).stdout),
  );
});

test("the unit of a service is the recorded one, and ends only the agent on a stop", async () => {
  rmSync(join(folder, "systemctl.txt"), { force: true });
  await run(["service", "--instance", "Tentacle", "--install", "--start"]);
  const recorded = readFileSync(new URL("files-service-unit.txt", fixtures), "utf8");
  const lines = recorded
    .slice(recorded.indexOf("[Unit]"), recorded.indexOf("== commands"))
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("Description="));
  const unit = readFileSync(join(systemd, "Tentacle.service"), "utf8").split("\n");
  assert.deepEqual(
    lines.filter((line) => !unit.includes(line)),
    [],
  );
  assert.ok(unit.includes("KillMode=process"));
  const called = readFileSync(join(folder, "systemctl.txt"), "utf8").split("\n");
  assert.deepEqual(called, ["systemctl daemon-reload", "systemctl enable Tentacle", "systemctl start Tentacle", ""]);
  await run(["service", "--instance", "Tentacle", "--stop", "--uninstall"]);
  assert.equal(existsSync(join(systemd, "Tentacle.service")), false);
});

test("a certificate goes from one instance to another through a PFX file, and a settings file is nobody else's to read", async () => {
  await run(["create-instance", "--instance", "giver", "--config", join(folder, "giver.config")]);
  await run(["new-certificate", "--instance", "giver"]);
  await run(["create-instance", "--instance", "taker", "--config", join(folder, "taker.config")]);
  const target = join(folder, "exported.pfx");
  const exported = await run(["export-certificate", "--instance", "giver", "--export-pfx", target, "--pfx-password", "Geheim 1"]);
  assert.equal(exported.exitCode, 0, exported.stderr);
  assert.equal((await run(["import-certificate", "--instance", "taker", "--from-file", target, "--pfx-password", "Geheim 1"])).exitCode, 0);
  const [given, taken] = [await run(["show-thumbprint", "--instance", "giver"]), await run(["show-thumbprint", "--instance", "taker"])];
  assert.match(given.stdout, /^[0-9A-F]{40}$/);
  assert.deepEqual(taken, given);
  cpSync(join(folder, "taker.config"), join(folder, "copied.config"));
  assert.equal(readFileSync(join(folder, "taker.config"), "utf8").includes("PRIVATE KEY"), false);
});
