// Which version of a package a release takes: selected by step, wished for by command-line clients, or the newest.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProcessAction, ProcessStep } from "../processes/processes.ts";
import { packagesOf, readVersionWish, selectedVersion, selectPackages, wishedVersion } from "./selected-packages.ts";

const action = (Name: string, Packages: object[], Properties: Record<string, string> = {}): ProcessAction =>
  ({ Name, Packages, Properties, IsDisabled: false }) as unknown as ProcessAction;
const step = (Name: string, ...Actions: ProcessAction[]): ProcessStep => ({ Name, Actions }) as unknown as ProcessStep;

test("an action has the packages it lists, and the one of its properties when it lists none of its own", () => {
  const listed = action("Web", [
    { Name: null, PackageId: "Acme.Web", FeedId: "feeds-builtin" },
    { Name: "tools", PackageId: "Tools", FeedId: "", Properties: { Extract: "True", Odd: null } },
  ]);
  assert.deepEqual(packagesOf(listed), [
    { name: "", packageId: "Acme.Web", feedId: "feeds-builtin", properties: {} },
    { name: "tools", packageId: "Tools", feedId: "feeds-builtin", properties: { Extract: "True" } },
  ]);
  const mirrored = action("Web", [], { "Octopus.Action.Package.PackageId": "Acme.Web" });
  assert.deepEqual(packagesOf(mirrored), [{ name: "", packageId: "Acme.Web", feedId: "feeds-builtin", properties: {} }]);
});

test("selections name the action, or in older clients the step, in any letter case", async () => {
  const web = action("Web", [{ Name: "", PackageId: "Acme.Web" }]);
  const site = step("Site", web);
  const selected = [{ ActionName: "web", PackageReferenceName: null, Version: " 1.0.0 " }];
  assert.equal(selectedVersion(selected, site, web, ""), "1.0.0");
  assert.equal(selectedVersion([{ StepName: "SITE", Version: "2" }], site, web, ""), "2");
  assert.equal(selectedVersion([{ StepName: "WEB", Version: "3" }], site, web, ""), "3");
  assert.equal(selectedVersion(selected, site, web, "tools"), undefined);
  const kept = [{ ActionName: "Web", StepName: "Site", PackageReferenceName: "", Version: "1.0.0" }];
  assert.deepEqual(await selectPackages([site], selected, async () => undefined), kept);
  // What names no package of this process does no harm: clients send what they once read.
  const more = [...selected, { ActionName: "Gone", Version: "1" }, { ActionName: "Web", PackageReferenceName: "gone", Version: "" }, {}];
  assert.deepEqual(await selectPackages([site, step("Plain", action("Plain", []))], more, async () => undefined), kept);
  await assert.rejects(
    selectPackages([site], [], async () => undefined),
    { status: 400, message: /no version of it was selected/ },
  );
  await assert.rejects(
    selectPackages([site], [{ ActionName: "Web", Version: "../1" }], async () => undefined),
    { status: 400 },
  );
});

test("wishes of command-line clients: by step, package or star, with a reference, escaped", () => {
  const [web, site] = [action("Web", []), step("Site")];
  const use = { name: "tools", packageId: "Acme.Tools", feedId: "feeds-builtin", properties: {} };
  const wished = (...texts: string[]) => wishedVersion(texts.map(readVersionWish), use, web, site);
  assert.equal(wished("*:1.0", "web:2.0"), "2.0");
  assert.equal(wished("acme.tools=3.0"), "3.0");
  assert.equal(wished("Site/tools/4.0", "Site/other/5.0"), "4.0");
  assert.equal(wished("*:tools:6.0"), "6.0");
  assert.equal(wished("Other:7.0"), undefined);
  assert.deepEqual(readVersionWish("My\\:Step:1.0"), { who: "My:Step", name: undefined, version: "1.0" });
  for (const text of ["", "a", ":1", "a:", "a:b:c:d"]) assert.throws(() => readVersionWish(text), { status: 400 }, text);
});
