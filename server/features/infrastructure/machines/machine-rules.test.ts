// Which endpoints are accepted, and the form they are stored in.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkEndpoint, legacyStatus, readListeningUri, readThumbprint } from "./machine-rules.ts";

const thumbprint = "AB".repeat(20);

test("a listening agent's address is stored in lower case with its port, its thumbprint in upper case", () => {
  assert.deepEqual(
    checkEndpoint({ CommunicationStyle: "tentaclepassive", Uri: "https://WEB01.example.com", Thumbprint: thumbprint.toLowerCase() }),
    {
      ok: true,
      value: { CommunicationStyle: "TentaclePassive", Uri: "https://web01.example.com:10933/", Thumbprint: thumbprint, ProxyId: null },
    },
  );
});

test("addresses are read with their ports, default ones and IPv6 included", () => {
  assert.deepEqual(readListeningUri("https://a:1/"), { host: "a", port: 1 });
  assert.deepEqual(readListeningUri("https://a:443/"), { host: "a", port: 443 });
  assert.deepEqual(readListeningUri("https://[::1]:9/"), { host: "::1", port: 9 });
  for (const bad of [
    "",
    "a",
    "http://a:1/",
    "https://a:1/path",
    "https://user:x@a:1/",
    "https://a:1/?q=1",
    "https://a:99999/",
    "file:///etc/passwd",
  ])
    assert.equal(readListeningUri(bad), undefined, bad);
});

test("what is no endpoint is refused with every fault", () => {
  const faults = (sent: Parameters<typeof checkEndpoint>[0]) => {
    const checked = checkEndpoint(sent);
    return checked.ok ? [] : checked.faults;
  };
  assert.equal(faults(null).length, 1);
  assert.match(faults({ CommunicationStyle: "Ftp" })[0]!, /must be one of/);
  assert.equal(faults({ CommunicationStyle: "TentaclePassive" }).length, 2);
  assert.equal(faults({ CommunicationStyle: "TentacleActive", Uri: "https://a/", Thumbprint: thumbprint }).length, 1);
  assert.deepEqual(faults({ CommunicationStyle: "TentacleActive", Uri: "poll://abc123/", Thumbprint: thumbprint }), []);
  assert.deepEqual(faults({ CommunicationStyle: "None" }), []);
});

test("thumbprints may come with separators, and are 40 hex digits", () => {
  assert.equal(readThumbprint("ab:".repeat(20).slice(0, -1)), thumbprint);
  assert.equal(readThumbprint("AB".repeat(19)), undefined);
  assert.equal(readThumbprint("ZZ".repeat(20)), undefined);
});

test("the old status word follows health and the disabled switch", () => {
  assert.equal(legacyStatus({ isDisabled: true, healthStatus: "Healthy" }), "Disabled");
  assert.equal(legacyStatus({ isDisabled: false, healthStatus: "Unavailable" }), "Offline");
  assert.equal(legacyStatus({ isDisabled: false, healthStatus: "Healthy" }), "Online");
  assert.equal(legacyStatus({ isDisabled: false, healthStatus: "Unknown" }), "Unknown");
});
