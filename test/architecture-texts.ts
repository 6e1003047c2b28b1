// The rules about what stands in a file (8, 9, 11, names, switched-off checks). They search the text, so they see forms, not meaning:
// a table name put together at run time, for instance, passes unseen.
import path from "node:path";
import { isTest, moduleOf, programOf } from "./architecture-sources.ts";
import type { SourceFile, Violation } from "./architecture-sources.ts";
import { bannedWords, entryFiles } from "./architecture.ts";

const writes =
  /\b(?:insert\s+into|delete\s+from|truncate(?:\s+table)?|merge\s+into)\s+"?([a-z_][a-z0-9_]*)"?|\bupdate\s+(?:only\s+)?"?([a-z_][a-z0-9_]*)"?(?:\s+(?:as\s+)?[a-z_]+)?\s+set\b/gi;

export function checkWriters(files: SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  const writers = new Map<string, Map<string, string>>(); // table -> module -> first place
  for (const { file, code } of files) {
    if (!file.startsWith("server/") || isTest(file) || file.startsWith("server/migrations/")) continue;
    for (const match of code.matchAll(writes)) {
      const table = (match[1] ?? match[2] ?? "").toLowerCase();
      const where = `${file}:${code.slice(0, match.index).split("\n").length}`;
      if (!file.endsWith("-store.ts")) {
        violations.push({
          rule: "8",
          message: `${where} writes the table ${table}. SQL that writes stands in a *-store.ts of the module that owns the table.`,
        });
      }
      const module = moduleOf(file) ?? path.posix.dirname(file);
      const places = writers.get(table) ?? new Map<string, string>();
      if (!places.has(module)) places.set(module, where);
      writers.set(table, places);
    }
  }
  for (const [table, places] of writers) {
    if (places.size < 2) continue;
    const list = [...places].map(([module, where]) => `${module} (${where})`).join(" and ");
    violations.push({
      rule: "8",
      message: `The table ${table} is written by ${list}. One module owns it; the other calls a function of the owner's public file.`,
    });
  }
  return violations;
}

/** Statements that run when the file is imported: those that begin at the first column and declare no function, class or type. */
function importTimeStatements(code: string): { line: number; text: string }[] {
  const statements: { line: number; text: string }[] = [];
  const rows = code.split("\n");
  for (const [index, row] of rows.entries()) {
    if (row.trim() === "") continue;
    const last = statements.at(-1);
    if (last !== undefined && /^[\s})\]`]/.test(row)) last.text += `\n${row}`;
    else statements.push({ line: index + 1, text: row });
  }
  return statements.filter(({ text }) => {
    if (/^(?:export\s+)?(?:default\s+)?(?:async\s+)?(?:function|class|abstract class|interface|type|declare|import)\b/.test(text))
      return false;
    return !text.includes("=>") && !/\bfunction\b/.test(text); // what a function value does, it does when it is called
  });
}

export function checkSideEffects(files: SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  const starts =
    /\b(?:setTimeout|setInterval|setImmediate|createServer|createConnection|createSecureContext|connect|listen|spawn|fork|execFile|new (?:Pool|Client|Worker))\s*\(|\bprocess\.env\b|\bprocess\.on\s*\(|^await\b/m;
  for (const { file, code } of files) {
    const isEntry = (entryFiles as readonly string[]).includes(file) || file.endsWith(".mjs");
    if (programOf(file) === null || isTest(file) || isEntry) continue;
    for (const match of code.matchAll(/\bprocess\.(?:exit|abort)\s*\(|\bprocess\.exitCode\s*=/g)) {
      const line = code.slice(0, match.index).split("\n").length;
      violations.push({
        rule: "9",
        message: `${file}:${line} ends the process. Only ${entryFiles.join(" and ")} may; return the outcome or throw.`,
      });
    }
    for (const { line, text } of importTimeStatements(code)) {
      const what = starts.exec(text)?.[0].replace("(", "").trim();
      if (what === undefined) continue;
      violations.push({
        rule: "9",
        message: `${file}:${line} does something when it is imported (${what}). Put it into a create… function that main calls, and take settings as parameters.`,
      });
    }
  }
  return violations;
}

export function checkOpenings(files: SourceFile[]): Violation[] {
  return files.flatMap(({ file, text }) => {
    const body = text.replace(/^#!.*\n/, "").trimStart();
    const comment = /^(?:\/\/.*(?:\n\/\/.*)*|\/\*[^]*?\*\/)/.exec(body)?.[0] ?? "";
    const words = comment.match(/[\p{L}\p{N}'’-]+/gu)?.length ?? 0;
    return words >= 4
      ? []
      : [{ rule: "11", message: `${file} does not open with a sentence. Say in one to three what it is for, and what it does not do.` }];
  });
}

function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== "")
    .map((word) => word.toLowerCase());
}

function badWord(name: string): { word: string; instead: string } | null {
  const words = wordsOf(name);
  for (const word of words) {
    const instead = bannedWords.anywhere[word];
    if (instead !== undefined) return { word, instead };
  }
  const last = words.at(-1) ?? "";
  const instead = bannedWords.last[last];
  return instead === undefined ? null : { word: last, instead };
}

const declarations =
  /^export\s+(?:default\s+)?(?:async\s+)?(?:abstract\s+)?(?:const|let|function\*?|class|interface|type)\s+([A-Za-z_$][\w$]*)/gm;

export function checkNames(files: SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  for (const { file, code } of files) {
    const name = path.posix.basename(file);
    const bare = name.replace(/(?:\.(?:test|spec|d))?\.(?:tsx?|mjs)$/, "");
    if (bare === "index") {
      violations.push({
        rule: "3",
        message: `${file}: no index files. Name the public file like its folder: ${path.posix.dirname(file)}/${path.posix.basename(path.posix.dirname(file))}.ts.`,
      });
    }
    if (!/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(bare)) {
      violations.push({ rule: "names", message: `${file}: file names are kebab-case and say what is inside, like create-deployment.ts.` });
    }
    for (const part of [...path.posix.dirname(file).split("/"), bare]) {
      const bad = badWord(part);
      if (bad !== null) violations.push({ rule: "names", message: `${file}: "${bad.word}" says nothing. Name it for ${bad.instead}.` });
    }
    for (const match of code.matchAll(declarations)) {
      const bad = badWord(match[1] ?? "");
      if (bad === null) continue;
      const line = code.slice(0, match.index).split("\n").length;
      violations.push({
        rule: "names",
        message: `${file}:${line}: in ${match[1]}, "${bad.word}" says nothing. Name it for ${bad.instead}.`,
      });
    }
  }
  return violations;
}

/** A check that is switched off says why on the same line, and unfinished work is an issue, not a comment. */
export function checkSwitchedOff(files: SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  for (const { file, text } of files) {
    if (file.startsWith("test/architecture")) continue;
    for (const [index, row] of text.split("\n").entries()) {
      const where = `${file}:${index + 1}`;
      if (/(?:oxlint|eslint)-disable/.test(row) && !/ -- \S+/.test(row)) {
        violations.push({
          rule: "checks",
          message: `${where} switches the linter off without a reason. Add it behind " -- ", or mend the line.`,
        });
      }
      if (/@ts-(?:ignore|nocheck)\b/.test(row)) {
        violations.push({
          rule: "checks",
          message: `${where} switches the type check off. Use @ts-expect-error with a reason, or mend the type.`,
        });
      }
      if (/\b(?:TODO|FIXME|XXX|HACK)\b(?!\s*\(#\d+\))/.test(row)) {
        violations.push({
          rule: "checks",
          message: `${where} leaves a note for later without an issue. Do it, or file an issue and name it: TODO (#12).`,
        });
      }
    }
  }
  return violations;
}
