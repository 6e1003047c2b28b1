// What a nuspec says about its package. A small reader of just enough XML: no document types, no entities but the five of XML itself,
// bounded in size and depth.

import { problem } from "../../../base/problems.ts";

export interface NuspecDependency {
  id: string;
  range: string;
}

export interface Nuspec {
  id: string;
  version: string;
  title: string;
  authors: string;
  summary: string;
  description: string;
  releaseNotes: string;
  tags: string;
  dependencyGroups: { targetFramework: string; dependencies: NuspecDependency[] }[];
}

const depthMax = 20;
const dependenciesMax = 2_000;
const textCharactersMax = 100_000;
const textMembers = ["title", "authors", "summary", "description", "releaseNotes", "tags"] as const;

/** @throws Problem 400 when it is no nuspec */
export function readNuspec(text: string): Nuspec {
  if (/<!(?!--|\[CDATA\[)/.test(text)) throw wrong("a nuspec with a document type is not read");
  const values = new Map<string, string>();
  const groups: Nuspec["dependencyGroups"] = [];
  const path: string[] = [];
  let dependencies = 0;
  const token =
    /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<(\/?)([A-Za-z_][\w.:-]*)((?:"[^"]*"|'[^']*'|[^<>"'])*?)(\/?)>|([^<]+)|</g;
  for (const [whole, section, slash, qualified, attributes = "", closed, characters] of text.matchAll(token)) {
    if (whole === "<") throw wrong("its nuspec is not well-formed");
    if (section !== undefined || characters !== undefined) {
      if (path.length === 3 && path[1] === "metadata") {
        const name = path[2]!;
        const sofar = values.get(name) ?? "";
        if (sofar.length < textCharactersMax) values.set(name, (sofar + (section ?? unescaped(characters!))).slice(0, textCharactersMax));
      }
      continue;
    }
    if (qualified === undefined) continue;
    const name = qualified.split(":").at(-1)!;
    if (slash === "/") {
      if (path.pop() !== name) throw wrong("its nuspec is not well-formed");
      continue;
    }
    if (path.length >= depthMax) throw wrong("its nuspec is nested too deeply");
    const within = path.join("/").toLowerCase();
    if (within === "package/metadata/dependencies" && name === "group") {
      groups.push({ targetFramework: attribute(attributes, "targetFramework"), dependencies: [] });
    } else if (within.startsWith("package/metadata/dependencies") && name === "dependency") {
      if (++dependencies > dependenciesMax) throw wrong(`its nuspec names more than ${dependenciesMax} dependencies`);
      if (groups.length === 0) groups.push({ targetFramework: "", dependencies: [] });
      groups.at(-1)!.dependencies.push({ id: attribute(attributes, "id"), range: attribute(attributes, "version") });
    }
    if (closed !== "/") path.push(name);
  }
  const read = (name: string): string => (values.get(name) ?? "").trim();
  if (path.length > 0 || read("id") === "" || read("version") === "") throw wrong("its nuspec names no id and version");
  const texts = Object.fromEntries(textMembers.map((name) => [name, read(name)])) as Record<(typeof textMembers)[number], string>;
  return { id: read("id"), version: read("version"), ...texts, dependencyGroups: groups };
}

function wrong(why: string) {
  return problem.invalid(`The package is not accepted because ${why}. Nothing was stored.`);
}

function attribute(text: string, name: string): string {
  const found = new RegExp(`(?:^|\\s)${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)')`).exec(text);
  return unescaped(found?.[1] ?? found?.[2] ?? "").slice(0, 500);
}

function unescaped(text: string): string {
  const named: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(?:(lt|gt|quot|apos|amp)|#(\d{1,7})|#x([0-9A-Fa-f]{1,6}));/g, (whole, name, decimal, hex) => {
    if (name !== undefined) return named[name as string]!;
    const code = decimal === undefined ? Number.parseInt(hex as string, 16) : Number(decimal);
    // A NUL cannot be stored, and halves of pairs are no characters.
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : whole;
  });
}
