// Reads a tree's source files with their imports for the architecture check, and says which program, layer and module a path belongs to.
// It works on the text as the formatter leaves it, without a compiler, and judges nothing.
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { openFolders, programs } from "./architecture.ts";

export interface Violation {
  /** Number of the rule as in ARCHITECTURE.md. */
  rule: string;
  /** Where and what to do instead. */
  message: string;
}

export interface Import {
  /** As written. */
  specifier: string;
  line: number;
  /** Path from the root for one of ours, null for a library. */
  target: string | null;
}

export interface SourceFile {
  /** From the root, with forward slashes. */
  file: string;
  text: string;
  /** The text with comments blanked out; lines stay where they are. */
  code: string;
  imports: Import[];
}

const folders = [...Object.keys(programs), "test", "scripts", "benchmarks", "examples"];

/** Every source file below the root, in order of its path. */
export function readSources(root: string): SourceFile[] {
  const patterns = [...folders.map((folder) => `${folder}/**/*.{ts,tsx,mjs}`), "*.mjs"];
  return globSync(patterns, { cwd: root, exclude: ["**/node_modules/**", "**/fixtures/**", "**/dist/**"] })
    .map((file) => file.split(path.sep).join("/"))
    .sort()
    .map((file) => {
      const text = readFileSync(path.join(root, file), "utf8");
      const code = withoutComments(text);
      return { file, text, code, imports: readImports(root, file, code) };
    });
}

function withoutComments(text: string): string {
  const blank = (found: string) => found.replace(/[^\n]/g, " ");
  return text.replace(/^\s*\/\*[^]*?\*\//gm, blank).replace(/^\s*\/\/.*$/gm, blank);
}

const importForms = [
  /^(?:import|export)\s[^"';]*?\bfrom\s*"([^"]+)"/gm,
  /^import\s*"([^"]+)"/gm,
  /\bimport\(\s*"([^"]+)"\s*\)/g, // its type form too
];

function readImports(root: string, file: string, code: string): Import[] {
  const found: Import[] = [];
  for (const form of importForms) {
    for (const match of code.matchAll(form)) {
      const specifier = match[1] ?? "";
      const line = code.slice(0, match.index + match[0].lastIndexOf('"')).split("\n").length;
      found.push({ specifier, line, target: resolveOwn(root, file, specifier) });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}

function resolveOwn(root: string, file: string, specifier: string): string | null {
  if (specifier.startsWith(".")) return path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier));
  const own = /^@cuttle\/([^/]+)(?:\/(.+))?$/.exec(specifier);
  if (own === null || own[1] === undefined) return null;
  const program = own[1];
  const inside = own[2] ?? program;
  return existsSync(path.join(root, program, inside)) ? `${program}/${inside}` : `${program}/${inside}.ts`;
}

export const isTest = (file: string) => /\.test\.tsx?$/.test(file);
export const programOf = (file: string) => {
  const first = file.split("/")[0] ?? "";
  return first in programs ? first : null;
};

/** The server folder a file stands in: a layer, "main", a leaf folder, or null outside the server. */
export function layerOf(file: string): string | null {
  if (!file.startsWith("server/")) return null;
  const parts = file.split("/");
  return parts.length === 2 ? "main" : (parts[1] ?? null);
}

/** The module a file belongs to (the folder whose public file others import), or null where there is none. */
export function moduleOf(file: string): string | null {
  const parts = file.split("/");
  const depth = (count: number) => (parts.length > count ? parts.slice(0, count).join("/") : null);
  if (openFolders.some((folder) => file.startsWith(`${folder}/`))) return null;
  if (parts[0] === "agent") return depth(parts[1] === "services" ? 3 : 2);
  if (parts[0] !== "server") return null;
  if (parts[1] === "platform" || parts[1] === "engine") return depth(3);
  if (parts[1] === "features" || parts[1] === "extensions") return depth(4);
  if (parts[1] === "migrations") return depth(2);
  return null;
}

export const publicFileOf = (module: string) => `${module}/${path.posix.basename(module)}.ts`;
