// Which files are transforms of which: by their names, and by the lines of a step, as the official documentation lists the forms.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pairTransforms, patternsOfRules, readTransformRules, transformPairsMax } from "./transform-pairs.ts";

const pairsOf = (files: readonly string[], lines: string, middles: readonly string[] = []): string[] =>
  pairTransforms(files, readTransformRules(lines), middles).pairs.map(({ transform, target }) => `${transform} => ${target}`);

test("files are found by their names: Release, then the environment, then the tenant, whatever their capitals", () => {
  const files = [
    "Web.config",
    "Web.Production.config",
    "Web.release.config",
    "Web.Test.config",
    "bin/Shop.exe.config",
    "bin/Shop.exe.Acme.config",
  ];
  assert.deepEqual(pairsOf(files, "", ["Release", "production", "Acme"]), [
    "Web.release.config => Web.config",
    "Web.Production.config => Web.config",
    "bin/Shop.exe.Acme.config => bin/Shop.exe.config",
  ]);
  assert.deepEqual(pairsOf(["Web.config", "Web.Release.config"], "", ["Release", "release"]), ["Web.Release.config => Web.config"]);
  assert.deepEqual(pairsOf(["web.xml", "web.Release.xml"], "", ["Release"]), []);
});

test("each form of a line", () => {
  const forms: [line: string, files: string[], pairs: string[]][] = [
    ["web.my.config => web.config", ["web.config", "web.my.config"], ["web.my.config => web.config"]],
    ["web.my.config => web.config", ["a/web.config", "a/web.my.config", "web.config"], ["a/web.my.config => a/web.config"]],
    ["web.my.config => config\\web.config", ["config/web.config", "web.my.config"], ["web.my.config => config/web.config"]],
    ["web.my.config => config/web.config", ["x/config/web.config", "x/web.my.config"], ["x/web.my.config => x/config/web.config"]],
    ["c.my.config => *.config", ["app.config", "c.my.config", "web.config"], ["c.my.config => app.config", "c.my.config => web.config"]],
    ["c.my.config => conf\\*.config", ["conf/app.config", "c.my.config"], ["c.my.config => conf/app.config"]],
    ["t\\web.my.config => web.config", ["t/web.my.config", "web.config"], ["t/web.my.config => web.config"]],
    ["t\\web.my.config => conf\\web.config", ["t/web.my.config", "conf/web.config"], ["t/web.my.config => conf/web.config"]],
    ["..\\t\\web.my.config => web.config", ["t/web.my.config", "conf/web.config"], ["t/web.my.config => conf/web.config"]],
    ["*.my.config => *.config", ["b.config", "b.my.config", "x.my.config"], ["b.my.config => b.config"]],
    ["*.my.config => web.config", ["a.my.config", "b.my.config", "web.config"], ["a.my.config => web.config", "b.my.config => web.config"]],
    ["web.*.config => web.config", ["web.1.config", "web.config", "x.1.config"], ["web.1.config => web.config"]],
    ["t/*.my.config => conf/*.config", ["conf/b.config", "t/b.my.config"], ["t/b.my.config => conf/b.config"]],
    ["web.my.config => .\\web.config", ["a/web.config", "a/web.my.config", "web.config", "web.my.config"], ["web.my.config => web.config"]],
    ["domain.Prod.xml => domain.xml", ["domain.Prod.xml", "domain.xml"], ["domain.Prod.xml => domain.xml"]],
    ["web.my => web.config", ["web.config", "web.my.config"], ["web.my.config => web.config"]],
    ["Mine", ["web.Mine.config", "web.config"], ["web.Mine.config => web.config"]],
    ["Mine.config", ["web.Mine.config", "web.config"], ["web.Mine.config => web.config"]],
    ["../../x.config => web.config", ["web.config", "x.config"], []],
  ];
  for (const [line, files, pairs] of forms) assert.deepEqual(pairsOf(files, line), pairs, line);
});

test("lines come first and in their order, each transform once for a target; lines that fit nothing are told", () => {
  const files = ["web.A.config", "web.B.config", "web.Release.config", "web.config"];
  const rules = readTransformRules(
    "web.B.config => web.config\r\n, web.A.config => web.config\nweb.Release.config => web.config\nno.config => web.config",
  );
  const { pairs, unused } = pairTransforms(files, rules, ["Release", "A"]);
  assert.deepEqual(
    pairs.map((pair) => pair.transform),
    ["web.B.config", "web.A.config", "web.Release.config"],
  );
  assert.deepEqual(unused, ["no.config => web.config"]);
});

test("what a target has to lay ready", () => {
  assert.deepEqual(patternsOfRules(readTransformRules("t\\a.xml => ./conf/b.xml"), false), ["**/b.xml", "**/a.xml", "**/a.xml.config"]);
  assert.deepEqual(patternsOfRules(readTransformRules("Mine"), true), ["**/*.config"]);
  assert.deepEqual(patternsOfRules([], false), []);
});

test("S5: lines that lead out, name nothing or fit too much are refused with a sentence", () => {
  for (const line of [
    "C:\\x.config => web.config",
    "/etc/x => web.config",
    "a => ..\\web.config",
    "a =>",
    "=> b",
    "a => b => c",
    "a => web.*.config",
  ])
    assert.throws(() => readTransformRules(line), RangeError, line);
  assert.throws(() => readTransformRules("a => b\n".repeat(201)), /more than 200 lines/);
  assert.throws(() => readTransformRules(`${"x".repeat(1_001)} => b`), /too long/);
  const files = Array.from({ length: 40 }, (_, n) => `f${n}.config`);
  assert.throws(() => pairsOf(files, "f*.config => *.config"), new RegExp(`More than ${transformPairsMax} pairs`));
});
