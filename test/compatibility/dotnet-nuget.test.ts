// The built-in feed under the unmodified .NET SDK: `dotnet nuget push`, `dotnet restore`, `dotnet package search`, `dotnet nuget delete`.
// Takes the SDK and most of a minute, so it runs only when it is asked for: `npm run compat`.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { startApiNode } from "../support/api-node.ts";
import type { ApiNode } from "../support/api-node.ts";
import { makeNupkg } from "../support/archives.ts";

function findReasonToSkip(): string | undefined {
  if (process.env["CUTTLE_TEST_COMPATIBILITY"] !== "1") return "takes the .NET SDK and most of a minute; npm run compat runs it";
  const { status } = spawnSync("dotnet", ["--version"], { encoding: "utf8" });
  return status === 0 ? undefined : "there is no dotnet on this machine";
}
const skip = findReasonToSkip();

const commandTimeoutMs = 180_000; // the first start of the SDK on a busy machine

describe("the .NET SDK with the built-in feed", { skip }, () => {
  let node: ApiNode;
  let folder: string;
  let space: string;

  before(async () => {
    node = await startApiNode(undefined);
    space = (await node.post("/api/spaces", { Name: "Second" })).Id;
    folder = await fs.mkdtemp(path.join(os.tmpdir(), "cuttle-dotnet-"));
    const credentials = (name: string) =>
      `<${name}><add key="Username" value="any" /><add key="ClearTextPassword" value="${node.adminKey}" /></${name}>`;
    // Restoring asks every source there is, and the older address is only for pushing.
    const second = `<add key="second" value="${node.url}/${space}/nuget/packages" allowInsecureConnections="true" />`;
    const config = (more: string) =>
      `<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <packageSources>
    <clear />
    <add key="cuttle" value="${node.url}/nuget/v3/index.json" protocolVersion="3" allowInsecureConnections="true" />
    ${more}
  </packageSources>
  <packageSourceCredentials>${credentials("cuttle")}</packageSourceCredentials>
</configuration>`;
    await fs.writeFile(path.join(folder, "nuget.config"), config(second));
    await fs.writeFile(path.join(folder, "restore.config"), config(""));
    const files = [{ name: "lib/netstandard2.0/_._", content: "" }];
    const depends = `<dependencies><group targetFramework=".NETStandard2.0"><dependency id="Cuttle.Base" version="[1.0.0, 2.0.0)" /></group></dependencies>`;
    await fs.writeFile(path.join(folder, "Cuttle.Base.1.4.0.nupkg"), makeNupkg("Cuttle.Base", "1.4.0", { files }));
    await fs.writeFile(path.join(folder, "Cuttle.Base.2.0.0.nupkg"), makeNupkg("Cuttle.Base", "2.0.0", { files }));
    await fs.writeFile(
      path.join(folder, "Cuttle.App.3.1.0-beta.2.nupkg"),
      makeNupkg("Cuttle.App", "3.1.0-beta.2", { files, more: depends }),
    );
  });
  after(async () => {
    await node?.close();
    if (folder !== undefined) await fs.rm(folder, { recursive: true });
  });

  function dotnet(...args: string[]): Promise<{ code: number | null; output: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn("dotnet", args, {
        cwd: folder,
        timeout: commandTimeoutMs,
        stdio: ["ignore", "pipe", "pipe"],
        env: {
          ...process.env,
          NUGET_PACKAGES: path.join(folder, "packages"),
          NUGET_HTTP_CACHE_PATH: path.join(folder, "http-cache"),
          DOTNET_CLI_TELEMETRY_OPTOUT: "1",
          DOTNET_NOLOGO: "1",
          DOTNET_CLI_UI_LANGUAGE: "en",
        },
      });
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, output }));
    });
  }

  test("pushes, is refused what is there, restores with dependencies, searches and deletes", async () => {
    const key = ["--api-key", node.adminKey];
    const first = await dotnet("nuget", "push", "Cuttle.Base.1.4.0.nupkg", "--source", "cuttle", ...key);
    assert.equal(first.code, 0, first.output);
    for (const file of ["Cuttle.Base.2.0.0.nupkg", "Cuttle.App.3.1.0-beta.2.nupkg"]) {
      const pushed = await dotnet("nuget", "push", file, "--source", "cuttle", ...key);
      assert.equal(pushed.code, 0, pushed.output);
    }
    const again = await dotnet("nuget", "push", "Cuttle.Base.1.4.0.nupkg", "--source", "cuttle", ...key);
    assert.notEqual(again.code, 0, again.output);
    assert.match(again.output, /409/);
    const skipped = await dotnet("nuget", "push", "Cuttle.Base.1.4.0.nupkg", "--source", "cuttle", "--skip-duplicate", ...key);
    assert.equal(skipped.code, 0, skipped.output);
    const wrong = await dotnet("nuget", "push", "Cuttle.Base.1.4.0.nupkg", "--source", "second", "--api-key", "API-WRONG");
    assert.notEqual(wrong.code, 0, wrong.output);
    // The older address, of another space, with the key alone.
    const second = await dotnet("nuget", "push", "Cuttle.Base.1.4.0.nupkg", "--source", "second", ...key);
    assert.equal(second.code, 0, second.output);
    assert.equal((await node.get(`/api/${space}/packages`)).TotalResults, 1);
    assert.equal((await node.get(`/api/packages`)).TotalResults, 3);

    await fs.mkdir(path.join(folder, "app"));
    await fs.writeFile(
      path.join(folder, "app", "app.csproj"),
      `<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><TargetFramework>netstandard2.0</TargetFramework><DisableImplicitFrameworkReferences>true</DisableImplicitFrameworkReferences></PropertyGroup>
  <ItemGroup><PackageReference Include="Cuttle.App" Version="3.1.0-beta.2" /></ItemGroup>
</Project>`,
    );
    const restored = await dotnet("restore", "app/app.csproj", "--configfile", "restore.config");
    assert.equal(restored.code, 0, restored.output);
    const assets = JSON.parse(await fs.readFile(path.join(folder, "app", "obj", "project.assets.json"), "utf8")) as { libraries: object };
    assert.deepEqual(Object.keys(assets.libraries).sort(), ["Cuttle.App/3.1.0-beta.2", "Cuttle.Base/1.4.0"]);

    const found = await dotnet("package", "search", "base", "--source", "cuttle", "--format", "json");
    assert.equal(found.code, 0, found.output);
    assert.match(found.output, /"id": "Cuttle\.Base"/);
    assert.match(found.output, /2\.0\.0/);

    const deleted = await dotnet("nuget", "delete", "Cuttle.Base", "2.0.0", "--source", "cuttle", "--non-interactive", ...key);
    assert.equal(deleted.code, 0, deleted.output);
    assert.equal((await node.get("/api/packages?latest=true&filter=base")).Items[0].Version, "1.4.0");
    assert.deepEqual(node.faults, []);
  });
});
