// Which endpoints are accepted, and the form they are stored in.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readAgentAddress, checkEndpoint, legacyStatus, readListeningUri, readThumbprint } from "./endpoint-rules.ts";

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

test("a subscription is stored as agents send it: in lower case and with a slash at the end", () => {
  for (const [sent, stored] of [
    ["poll://My-Own-Id/", "poll://my-own-id/"],
    ["POLL://ABC", "poll://abc/"],
  ]) {
    const checked = checkEndpoint({ CommunicationStyle: "TentacleActive", Uri: sent!, Thumbprint: thumbprint });
    assert.deepEqual(checked, { ok: true, value: { CommunicationStyle: "TentacleActive", Uri: stored, Thumbprint: thumbprint } });
  }
  for (const bad of ["poll://", "poll:///", "poll://a/b/", "poll://a b/", `poll://${"a".repeat(101)}/`, "https://a/"])
    assert.equal(checkEndpoint({ CommunicationStyle: "TentacleActive", Uri: bad, Thumbprint: thumbprint }).ok, false, bad);
});

test("a stored endpoint says how its agent is reached, or that there is none", () => {
  assert.deepEqual(readAgentAddress({ style: "TentaclePassive", uri: "https://web01:10933/", thumbprint, proxyId: null }), {
    host: "web01",
    port: 10933,
    thumbprint,
  });
  assert.deepEqual(readAgentAddress({ style: "TentacleActive", uri: "poll://abc/", thumbprint, proxyId: null }), {
    subscription: "poll://abc/",
    thumbprint,
  });
  const proxied = { style: "TentaclePassive", uri: "https://web01:10933/", thumbprint, proxyId: "Proxies-1" };
  assert.deepEqual(readAgentAddress(proxied), { host: "web01", port: 10933, thumbprint, proxyId: "Proxies-1" });
  assert.equal(readAgentAddress({ style: "None", uri: null, thumbprint: null, proxyId: null }), undefined);
  assert.equal(readAgentAddress({ style: "TentaclePassive", uri: "poll://abc/", thumbprint, proxyId: null }), undefined);
});
