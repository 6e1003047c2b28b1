// What a machine's lines say about its health; the script itself runs in a real bash here.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { freeMegabytesWarning, healthScript, readHealth } from "./health-script.ts";

const linux = { skip: process.platform === "linux" ? false : "runs bash as Linux agents do" } as const;

test("the script for bash says what is to be known, and says nothing on standard error", linux, () => {
  const { status, stdout, stderr } = spawnSync("/bin/bash", ["--norc", "-c", healthScript.bash], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"], TentacleVersion: "1.2.3" },
  });
  assert.deepEqual([status, stderr], [0, ""]);
  const health = readHealth(0, stdout.split("\n"));
  assert.equal(health.shellName, "Bash");
  assert.match(health.shellVersion ?? "", /^\d+\.\d+/);
  assert.equal(health.agentVersion, "1.2.3");
  assert.ok((health.operatingSystem ?? "").length > 3);
  assert.match(stdout, /^Free megabytes: \d+$/m);
});

test("little space is a warning, an exit code a fault, and what is missing stays unknown", () => {
  assert.equal(readHealth(0, [`Free megabytes: ${freeMegabytesWarning}`]).healthStatus, "Healthy");
  const warned = readHealth(0, ["Shell: PowerShell 5.1.22621.1", `Free megabytes: ${freeMegabytesWarning - 1}`]);
  assert.deepEqual([warned.healthStatus, warned.shellName, warned.shellVersion], ["HasWarnings", "PowerShell", "5.1.22621.1"]);
  assert.match(warned.statusSummary, /5119 MB/);
  assert.equal(readHealth(1, []).healthStatus, "Unhealthy");
  assert.deepEqual(readHealth(0, ["nonsense", "Agent version: "]), {
    healthStatus: "Healthy",
    statusSummary: "The agent answered and runs scripts.",
  });
});
