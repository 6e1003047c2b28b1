// The rules of ARCHITECTURE.md, held: the tree itself breaks none, and each rule catches a violation that is planted in a small tree.
// Rule 10 (a route names its permission) is not here: a node refuses to start without, which the server's own tests see.
import assert from "node:assert/strict";
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { checkArchitecture } from "./architecture-check.ts";
import { fileLinesWorthALook } from "./architecture.ts";

test("the tree breaks no rule", () => {
  const { violations, lines } = checkArchitecture(path.dirname(import.meta.dirname));
  const largest = lines
    .filter(({ file }) => !file.endsWith(".test.ts"))
    .sort((a, b) => b.lines - a.lines)
    .slice(0, 10);
  const rows = largest.map(
    ({ file, lines: count }) => `  ${String(count).padStart(4)}${count > fileLinesWorthALook ? " !" : "  "} ${file}`,
  );
  console.log(`The ten largest files of ${lines.length} (! past ${fileLinesWorthALook} lines: is it one room?):\n${rows.join("\n")}`);
  const messages = violations.map(({ rule, message }) => `rule ${rule}: ${message}`);
  assert.ok(messages.length === 0, `\n${messages.join("\n")}`);
});

test("each dependency stands in docs/decisions/0007-dependencies.md with its reason, and nothing else does", () => {
  const root = path.dirname(import.meta.dirname);
  const manifests = ["package.json", ...globSync("*/package.json", { cwd: root, exclude: ["node_modules/**"] })];
  const declared = manifests.flatMap((file) => {
    const manifest = JSON.parse(readFileSync(path.join(root, file), "utf8")) as { [list: string]: { [name: string]: string } | undefined };
    return ["dependencies", "devDependencies", "optionalDependencies"].flatMap((list) => Object.keys(manifest[list] ?? {}));
  });
  const rows = readFileSync(path.join(root, "docs/decisions/0007-dependencies.md"), "utf8").match(/^\| `.*?\|/gm) ?? [];
  const explained = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ""));
  const ours = (name: string) => !name.startsWith("@cuttle/");
  assert.deepEqual([...new Set(explained)].sort(), [...new Set(declared.filter(ours))].sort());
});

const opening = "// A file of a small tree that a test planted.\n";

/** A tree that breaks no rule, with further files given as path → text below the opening sentence. */
function plant(t: TestContext, files: { [file: string]: string }): string[] {
  const root = mkdtempSync(path.join(tmpdir(), "cuttle-architecture-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const manifest = (dependencies: string[]) =>
    JSON.stringify({ dependencies: Object.fromEntries(dependencies.map((name) => [name, "1.0.0"])) });
  const whole: { [file: string]: string } = {
    "package.json": manifest([]),
    "agent/package.json": manifest(["@cuttle/halibut"]),
    "halibut/package.json": manifest(["bson"]),
    "server/package.json": manifest(["@cuttle/halibut", "pg", "bson"]),
    "halibut/halibut.ts": `import { BSON } from "bson";\nexport const wire = BSON;\n`,
    "server/platform/database/database.ts": `import { Pool } from "pg";\nexport { Pool };\n`,
    "server/features/projects/releases/releases.ts": `import "../../../platform/database/database.ts";\nimport "./release-store.ts";\n`,
    "server/features/projects/releases/release-store.ts": "export const insert = `insert into releases (id) values ($1)`;\n",
    "server/features/runs/deployments/deployments.ts": `import "../../projects/releases/releases.ts";\nimport type {} from "@cuttle/halibut";\n`,
    ...files,
  };
  for (const [file, text] of Object.entries(whole)) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), file.endsWith(".json") || text.startsWith("RAW") ? text.replace(/^RAW/, "") : opening + text);
  }
  return checkArchitecture(root).violations.map(({ rule, message }) => `rule ${rule}: ${message}`);
}

test("a tree that follows the rules gives no message", (t) => {
  assert.deepEqual(plant(t, {}), []);
});

const planted: { what: string; files: { [file: string]: string }; says: RegExp }[] = [
  {
    what: "a page of the portal that uses another page",
    files: {
      "portal/src/features/task/task-page.tsx": `import "../release/release-page.tsx";\n`,
      "portal/src/features/release/release-page.tsx": "",
    },
    says: /^rule 2: portal\/src\/features\/task\/task-page\.tsx:2: one page may not import another .* Move what both need/,
  },
  {
    what: "a part of the portal that uses what stands above it",
    files: { "portal/src/api/tasks.ts": `import "../shell/shell.tsx";\n`, "portal/src/shell/shell.tsx": "" },
    says: /^rule 2: portal\/src\/api\/tasks\.ts:2: api may not import portal\/src\/shell\/shell\.tsx/,
  },
  {
    what: "a library that uses a program",
    files: {
      "halibut/package.json": `{"dependencies":{"bson":"1","@cuttle/agent":"1"}}`,
      "agent/agent.ts": "",
      "halibut/x.ts": `import "@cuttle/agent/agent";\n`,
    },
    says: /^rule 1: halibut\/x\.ts:2: halibut may not use agent; it uses nothing of ours/,
  },
  {
    what: "an import across programs by path",
    files: { "agent/agent.ts": `import { wire } from "../halibut/halibut.ts";\nexport { wire };\n` },
    says: /^rule 1: agent\/agent\.ts:2 reaches into halibut by path\. Import it by package name: "@cuttle\/halibut"/,
  },
  {
    what: "a main job that imports the server",
    files: { "scripts/start.ts": `import "../server/platform/database/database.ts";\n` },
    says: /^rule 1: scripts\/start\.ts:2 imports server\. The main job uses a server and an agent as a person does/,
  },
  {
    what: "a lower layer that imports a higher one, in a type import over several lines",
    files: {
      "server/engine/tasks/tasks.ts": "export type Task = string;\n",
      "server/platform/audit/audit.ts": `import type {\n  Task,\n} from "../../engine/tasks/tasks.ts";\nexport type Audited = Task;\n`,
    },
    says: /^rule 2: server\/platform\/audit\/audit\.ts:4: platform may not import engine\. Declare an extension point/,
  },
  {
    what: "a folder beside the layers",
    files: { "server/services/mail.ts": "" },
    says: /^rule 2: server\/services\/mail\.ts stands in server\/services, which is no layer/,
  },
  {
    what: "a migration that imports code",
    files: { "server/migrations/0001-x.ts": `import "../base/ids.ts";\n`, "server/base/ids.ts": "" },
    says: /^rule 2: server\/migrations\/0001-x\.ts:2: a migration imports nothing/,
  },
  {
    what: "an import of another module's inside",
    files: { "server/features/runs/deployments/deploy-task.ts": `import "../../projects/releases/release-store.ts";\n` },
    says: /^rule 3: .*deploy-task\.ts:2 imports the inside of server\/features\/projects\/releases\. Use its public file, server\/features\/projects\/releases\/releases\.ts/,
  },
  {
    what: "an inner file that imports its own public file",
    files: { "server/features/projects/releases/release-rules.ts": `export * from "./releases.ts";\n` },
    says: /^rule 3: .*release-rules\.ts:2 imports the public file of its own module/,
  },
  {
    what: "an index file",
    files: { "server/platform/http/index.ts": "" },
    says: /^rule 3: .*no index files\. Name the public file like its folder: server\/platform\/http\/http\.ts/,
  },
  {
    what: "an earlier area that imports a later one",
    files: { "server/features/organization/users/users.ts": `import "../../runs/deployments/deployments.ts";\n` },
    says: /^rule 4: .*organization comes before runs\. Move the shared part down/,
  },
  {
    what: "a feature that names an extension",
    files: {
      "server/extensions/step-types/script/script.ts": "",
      "server/main.ts": `import "./extensions/step-types/script/script.ts";\n`,
    },
    says: /^rule 5: server\/main\.ts:2 imports the extension .*Only server\/extensions\.ts names extensions/,
  },
  {
    what: "an extension that looks around",
    files: { "server/extensions/step-types/script/script.ts": `import "../../../platform/database/database.ts";\n` },
    says: /^rule 5: .*an extension sees base and its extension point, not server\/platform\/database\/database\.ts/,
  },
  {
    what: "a circle of type imports",
    files: {
      "server/base/a.ts": `import type {} from "./b.ts";\n`,
      "server/base/b.ts": `import type {} from "./c.ts";\n`,
      "server/base/c.ts": `export type {} from "./a.ts";\n`,
    },
    says: /^rule 6: These files import each other in a circle: server\/base\/a\.ts -> server\/base\/b\.ts -> server\/base\/c\.ts -> server\/base\/a\.ts/,
  },
  {
    what: "a library outside its home",
    files: { "server/engine/tasks/tasks.ts": `import { Pool } from "pg";\nexport { Pool };\n` },
    says: /^rule 7: server\/engine\/tasks\/tasks\.ts:2 uses pg, whose home is server\/platform\/database/,
  },
  {
    what: "a library that package.json does not declare",
    files: { "agent/agent.ts": `import leftPad from "left-pad/deep.js";\nexport { leftPad };\n` },
    says: /^rule 7: agent\/agent\.ts:2 imports left-pad, which agent\/package\.json does not declare/,
  },
  {
    what: "a table with two writers",
    files: { "server/features/runs/deployments/deployment-store.ts": "export const q = `\n  UPDATE releases r\n  SET seen = true`;\n" },
    says: /^rule 8: The table releases is written by .*projects\/releases \(.*\) and .*runs\/deployments/,
  },
  {
    what: "writing SQL outside a store",
    files: { "server/engine/tasks/tasks.ts": `export const q = "delete from tasks where id = $1";\n` },
    says: /^rule 8: server\/engine\/tasks\/tasks\.ts:2 writes the table tasks\. SQL that writes stands in a \*-store\.ts/,
  },
  {
    what: "a timer at import time",
    files: { "server/engine/tasks/lease.ts": `export const timer = setInterval(renew, 1000);\n` },
    says: /^rule 9: server\/engine\/tasks\/lease\.ts:2 does something when it is imported \(setInterval\)/,
  },
  {
    what: "an environment read at import time",
    files: { "agent/settings.ts": `const parts = {\n  home: process.env["HOME"],\n};\nexport { parts };\n` },
    says: /^rule 9: agent\/settings\.ts:2 does something when it is imported \(process\.env\)/,
  },
  {
    what: "a process exit below main",
    files: { "server/engine/tasks/lease.ts": `export function stop(): void {\n  process.exit(1);\n}\n` },
    says: /^rule 9: server\/engine\/tasks\/lease\.ts:3 ends the process/,
  },
  {
    what: "a file without an opening sentence",
    files: { "server/base/ids.ts": "RAWexport const a = 1;\n" },
    says: /^rule 11: server\/base\/ids\.ts does not open with a sentence/,
  },
  {
    what: "a file name with a word that says nothing",
    files: { "server/base/string-utils.ts": "" },
    says: /^rule names: server\/base\/string-utils\.ts: "utils" says nothing\. Name it for what it works on/,
  },
  {
    what: "an exported name with a word that says nothing",
    files: { "server/base/ids.ts": "export class LeaseManager {}\n" },
    says: /^rule names: server\/base\/ids\.ts:2: in LeaseManager, "manager" says nothing/,
  },
  {
    what: "a file name that is not kebab-case",
    files: { "server/base/leaseTimes.ts": "" },
    says: /^rule names: server\/base\/leaseTimes\.ts: file names are kebab-case/,
  },
  {
    what: "a linter switched off without a reason",
    files: { "server/base/ids.ts": "// oxlint-disable-next-line typescript/no-explicit-any\n" },
    says: /^rule checks: server\/base\/ids\.ts:2 switches the linter off without a reason/,
  },
  {
    what: "a note for later without an issue",
    files: { "server/base/ids.ts": "// TODO count on\n" },
    says: /^rule checks: server\/base\/ids\.ts:2 leaves a note for later without an issue/,
  },
];

for (const { what, files, says } of planted) {
  test(`${what} is caught, alone, and the message says what to do`, (t) => {
    const messages = plant(t, files);
    assert.equal(messages.length, 1, messages.join("\n"));
    assert.match(messages[0] ?? "", says);
  });
}
