// What a machine policy may say, and what stays of what a client left out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isTimespan, readPolicy } from "./machine-policy-rules.ts";
import { policyDefaults } from "./machine-policies.ts";

test("timespans have hours, minutes and seconds, perhaps days and parts of a second", () => {
  for (const good of ["00:00:00", "23:59:59", "1.12:00:00", "00:00:00.5000000", "0:1:2"]) assert.equal(isTimespan(good), true, good);
  for (const bad of ["", "5", "24:00:00", "00:60:00", "00:00:60", "-00:01:00", "24.00:00:00", "1:2", "a:b:c", null, 5, {}])
    assert.equal(isTimespan(bad), false, JSON.stringify(bad));
});

test("the defaults are a policy, and what is left out of a group stays", () => {
  assert.deepEqual(readPolicy(policyDefaults, policyDefaults), { values: policyDefaults, faults: [] });
  const sent = {
    ...policyDefaults,
    MachineCleanupPolicy: { DeleteMachinesBehavior: "deleteunavailablemachines" },
    MachineHealthCheckPolicy: { HealthCheckInterval: null, HealthCheckCron: "0 0 6 * * *" },
  };
  const { values, faults } = readPolicy(policyDefaults, sent);
  assert.deepEqual(faults, []);
  assert.deepEqual(values["MachineCleanupPolicy"], {
    DeleteMachinesBehavior: "DeleteUnavailableMachines",
    DeleteMachinesElapsedTimeSpan: "00:00:00",
  });
  assert.deepEqual(values["MachineHealthCheckPolicy"], {
    ...policyDefaults.MachineHealthCheckPolicy,
    HealthCheckInterval: null,
    HealthCheckCron: "0 0 6 * * *",
  });
});

test("what is no policy is refused with every fault", () => {
  const { faults } = readPolicy(policyDefaults, {
    ...policyDefaults,
    ConnectionConnectTimeout: "soon",
    ConnectionRetryCountLimit: -1,
    MachineConnectivityPolicy: { MachineConnectivityBehavior: "Whatever" },
    MachineUpdatePolicy: { TentacleUpdateBehavior: null },
    MachineCleanupPolicy: { DeleteMachinesElapsedTimeSpan: 7 },
    MachineHealthCheckPolicy: {
      HealthCheckInterval: "hourly",
      HealthCheckCron: 5,
      BashHealthCheckPolicy: { RunType: "Inline", ScriptBody: " " },
      PowerShellHealthCheckPolicy: null,
    },
  });
  const places = [
    "ConnectionConnectTimeout",
    "ConnectionRetryCountLimit",
    "MachineConnectivityPolicy.MachineConnectivityBehavior",
    "MachineUpdatePolicy.TentacleUpdateBehavior",
    "MachineHealthCheckPolicy.PowerShellHealthCheckPolicy.RunType",
    "MachineHealthCheckPolicy.BashHealthCheckPolicy.ScriptBody",
    "MachineHealthCheckPolicy.HealthCheckInterval",
    "MachineHealthCheckPolicy.HealthCheckCron",
    "MachineCleanupPolicy.DeleteMachinesElapsedTimeSpan",
  ];
  assert.deepEqual(
    faults.map((fault) => fault.split(" ")[0]),
    places,
  );
});
