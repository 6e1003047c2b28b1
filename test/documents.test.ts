// What the documents say can be checked here as far as a program can: links lead somewhere, and every setting of server and agent is listed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

const root = path.dirname(import.meta.dirname);
const settingsPage = readFileSync(path.join(root, "docs/operating/settings.md"), "utf8");

test("every relative link in the documents leads to a file that is there", () => {
  const pages = globSync("**/*.md", { cwd: root, exclude: ["**/node_modules/**", "**/fixtures/**"] });
  assert.ok(pages.length > 10);
  const dead = pages.flatMap((page) => {
    const links = [...readFileSync(path.join(root, page), "utf8").matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map((match) => match[1] ?? "");
    return links
      .filter((link) => !/^[a-z]+:/.test(link) && !existsSync(path.join(root, path.dirname(page), link)))
      .map((link) => `${page}: ${link}`);
  });
  assert.deepEqual(dead, []);
});

for (const { program, entry } of [
  { program: "server", entry: "server/main.ts" },
  { program: "agent", entry: "agent/main.ts" },
]) {
  test(`every flag and variable of the ${program}'s run command stands on the settings page`, () => {
    const help = spawnSync(process.execPath, [path.join(root, entry), "run", "--help"], { encoding: "utf8", timeout: 60_000 });
    assert.equal(help.status, 0, help.stderr);
    const flags = [...help.stdout.matchAll(/(?<=^ +(?:-\w, )?)--[a-zA-Z-]+/gm)].map(([flag]) => flag).filter((flag) => flag !== "--help");
    const variables = [...new Set([...help.stdout.matchAll(/\b(?:CUTTLE|ADMIN|DB|MASTER)_[A-Z_]+|\bPGBIN\b/g)].map(([name]) => name))];
    assert.ok(flags.length > 5);
    const missing = [...flags, ...variables.filter((name) => !name.endsWith("_FILE"))].filter(
      (name) => !settingsPage.includes(`\`${name}\``),
    );
    assert.deepEqual(missing, []);
  });
}
