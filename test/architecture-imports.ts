// The rules about imports (1 to 7): programs, layers, public files, areas, extensions, circles, libraries.
// Each function takes the read files and returns one violation for each place, with what to do instead.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { isTest, layerOf, moduleOf, programOf, publicFileOf } from "./architecture-sources.ts";
import type { SourceFile, Violation } from "./architecture-sources.ts";
import { areas, extensionPoints, furtherPublicFiles, homes, layers, leafFolders, portalLayers, programs } from "./architecture.ts";

export function checkPrograms(files: SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  for (const { file, imports } of files) {
    const from = programOf(file);
    for (const { specifier, line, target } of imports) {
      if (target === null) continue;
      const to = programOf(target);
      const where = `${file}:${line}`;
      if (from === null) {
        if (file.startsWith("scripts/") && to !== null) {
          violations.push({
            rule: "1",
            message: `${where} imports ${to}. The main job uses a server and an agent as a person does: their command lines, the REST API, signals.`,
          });
        }
        continue;
      }
      if (to === from) {
        if (specifier.startsWith("@cuttle/"))
          violations.push({ rule: "1", message: `${where} imports its own program by name. Use a relative path.` });
        continue;
      }
      if (to === null) {
        if (!isTest(file) || !target.startsWith("test/support/")) {
          violations.push({ rule: "1", message: `${where} imports ${target}, outside the programs. Only tests may use test/support/.` });
        }
        continue;
      }
      if (!(programs[from] ?? []).includes(to)) {
        const may = (programs[from] ?? []).join(", ");
        violations.push({
          rule: "1",
          message: `${where}: ${from} may not use ${to}${may === "" ? "; it uses nothing of ours" : ` (only ${may})`}. Move what both need down into a library, or say it over the wire.`,
        });
      } else if (specifier.startsWith(".")) {
        violations.push({ rule: "1", message: `${where} reaches into ${to} by path. Import it by package name: "@cuttle/${to}".` });
      }
    }
  }
  return violations;
}

export function checkLayers(files: SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  const rank = (layer: string) => (layers as readonly string[]).indexOf(layer);
  for (const { file, imports } of files) {
    const from = layerOf(file);
    if (from === null || isTest(file)) continue;
    if (rank(from) === -1 && !(leafFolders as readonly string[]).includes(from)) {
      violations.push({
        rule: "2",
        message: `${file} stands in server/${from}, which is no layer. Put it into ${layers.slice(0, -1).join(", ")}, or add a layer in test/architecture.ts with a decision record.`,
      });
      continue;
    }
    for (const { line, target } of imports) {
      const to = target === null ? null : layerOf(target);
      if (to === null || to === from || from === "extensions") continue;
      if (from === "migrations") {
        violations.push({
          rule: "2",
          message: `${file}:${line}: a migration imports nothing. Write its SQL out: it must stay as it was when code moves on.`,
        });
      } else if (to === "migrations" && from !== "main") {
        violations.push({
          rule: "2",
          message: `${file}:${line}: only main hands migrations to the database. Take the list as a parameter.`,
        });
      } else if (rank(to) > rank(from)) {
        violations.push({
          rule: "2",
          message: `${file}:${line}: ${from} may not import ${to}. Declare an extension point (a type) in ${from} and fill it in compose.ts.`,
        });
      }
    }
  }
  return violations;
}

/** The portal's own order, and its pages, which know nothing of each other. */
export function checkPortal(files: SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  const folderOf = (file: string) => /^portal\/src\/([^/]+)\//.exec(file)?.[1] ?? null;
  const pageOf = (file: string) => /^portal\/src\/features\/([^/]+)\//.exec(file)?.[1] ?? null;
  const rank = (folder: string) => (portalLayers as readonly string[]).indexOf(folder);
  for (const { file, imports } of files) {
    const from = folderOf(file);
    if (from === null || isTest(file)) continue;
    if (rank(from) === -1) {
      violations.push({ rule: "2", message: `${file} stands in portal/src/${from}. The portal's folders are ${portalLayers.join(", ")}.` });
      continue;
    }
    for (const { line, target } of imports) {
      if (target === null || !target.startsWith("portal/src/")) continue;
      const to = folderOf(target);
      if (to === null || rank(to) > rank(from)) {
        violations.push({
          rule: "2",
          message: `${file}:${line}: ${from} may not import ${target}. Move what both need down, or hand it in as a property.`,
        });
      } else if (pageOf(target) !== pageOf(file) && pageOf(target) !== null) {
        violations.push({
          rule: "2",
          message: `${file}:${line}: one page may not import another (${target}). Move what both need to portal/src/api, design, log or shell.`,
        });
      }
    }
  }
  return violations;
}

export function checkPublicFiles(files: SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  for (const { file, imports } of files) {
    if (programOf(file) === null) continue;
    const from = moduleOf(file);
    for (const { line, target } of imports) {
      const to = target === null ? null : moduleOf(target);
      if (target === null || to === null) continue;
      const publicFile = publicFileOf(to);
      if (to === from) {
        if (target === publicFile && !isTest(file)) {
          violations.push({
            rule: "3",
            message: `${file}:${line} imports the public file of its own module. Import the file beside it that holds what you need.`,
          });
        }
      } else if (target !== publicFile && !(target in furtherPublicFiles) && !(extensionPoints as readonly string[]).includes(target)) {
        violations.push({ rule: "3", message: `${file}:${line} imports the inside of ${to}. Use its public file, ${publicFile}.` });
      }
    }
  }
  return violations;
}

export function checkAreas(files: SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  const areaOf = (file: string) => /^server\/features\/([^/]+)\//.exec(file)?.[1] ?? null;
  for (const { file, imports } of files) {
    const from = areaOf(file);
    if (from === null || isTest(file)) continue;
    const rank = (areas as readonly string[]).indexOf(from);
    if (rank === -1) {
      violations.push({ rule: "4", message: `${file}: there is no area ${from}. The areas are ${areas.join(", ")}.` });
      continue;
    }
    for (const { line, target } of imports) {
      const to = target === null ? null : areaOf(target);
      if (to !== null && (areas as readonly string[]).indexOf(to) > rank) {
        violations.push({
          rule: "4",
          message: `${file}:${line}: ${from} comes before ${to}. Move the shared part down, keep only an id with a foreign key, or let the later area call you.`,
        });
      }
    }
  }
  return violations;
}

export function checkExtensions(files: SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  const extensionOf = (file: string) => (file.startsWith("server/extensions/") ? moduleOf(file) : null);
  for (const { file, imports } of files) {
    const from = extensionOf(file);
    for (const { line, target } of imports) {
      if (target === null) continue;
      const to = extensionOf(target);
      if (to !== null && to !== from && file !== "server/extensions.ts" && !isTest(file)) {
        violations.push({
          rule: "5",
          message: `${file}:${line} imports the extension ${to}. Only server/extensions.ts names extensions; use its extension point.`,
        });
      }
      if (from === null || to !== null || isTest(file) || !target.startsWith("server/")) continue;
      if (!target.startsWith("server/base/") && !(extensionPoints as readonly string[]).includes(target)) {
        violations.push({
          rule: "5",
          message: `${file}:${line}: an extension sees base and its extension point, not ${target}. Let the extension point hand it in.`,
        });
      }
    }
  }
  return violations;
}

/** One message for each knot of files that import each other in a circle (type imports included), with the shortest circle through its first file. */
export function checkCircles(files: SourceFile[]): Violation[] {
  const known = new Set(files.map(({ file }) => file));
  const arrows = new Map(
    files.map(({ file, imports }) => [file, imports.flatMap(({ target }) => (target !== null && known.has(target) ? [target] : []))]),
  );
  const inAKnot = new Set<string>();
  const violations: Violation[] = [];
  for (const { file } of files) {
    if (inAKnot.has(file)) continue;
    const circle = shortestCircle(file, arrows);
    if (circle === null) continue;
    for (const each of circle) inAKnot.add(each);
    violations.push({
      rule: "6",
      message: `These files import each other in a circle: ${circle.join(" -> ")}. Move what they share into a file that both import.`,
    });
  }
  return violations;
}

function shortestCircle(start: string, arrows: Map<string, string[]>): string[] | null {
  const cameFrom = new Map<string, string>();
  const waiting = [start];
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    for (const next of arrows.get(file) ?? []) {
      if (next === start) {
        const circle = [start];
        for (let back: string | undefined = file; back !== undefined && back !== start; back = cameFrom.get(back)) circle.unshift(back);
        return [start, ...circle];
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, file);
      waiting.push(next);
    }
  }
  return null;
}

/** `@scope/name/deep` → `@scope/name`; node's own keep their prefix. */
function libraryOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? specifier);
}

export function checkHomes(files: SourceFile[]): Violation[] {
  const violations: Violation[] = [];
  for (const { file, imports } of files) {
    if (programOf(file) === null || isTest(file)) continue;
    for (const { specifier, line, target } of imports) {
      if (target !== null) continue;
      const library = libraryOf(specifier);
      const home = homes[library];
      if (home !== undefined && !home.some((place) => file === place || file.startsWith(`${place}/`))) {
        violations.push({
          rule: "7",
          message: `${file}:${line} uses ${library}, whose home is ${home.join(" or ")}. Use what that module offers, or widen its public file.`,
        });
      }
    }
  }
  return violations;
}

/** Each imported package stands in the package.json of the program that imports it; tools of tests and scripts stand in the root's. */
export function checkDeclaredLibraries(root: string, files: SourceFile[]): Violation[] {
  const declared = (program: string | null): Set<string> => {
    const manifest = path.join(root, program ?? ".", "package.json");
    if (!existsSync(manifest)) return new Set();
    const read = JSON.parse(readFileSync(manifest, "utf8")) as { [list: string]: { [name: string]: string } | undefined };
    return new Set(["dependencies", "optionalDependencies", "devDependencies"].flatMap((list) => Object.keys(read[list] ?? {})));
  };
  const shared = declared(null);
  const everybody = new Set([...shared, ...Object.keys(programs).flatMap((program) => [...declared(program)])]);
  const violations: Violation[] = [];
  for (const { file, imports } of files) {
    const program = programOf(file);
    const mayUse = program === null ? everybody : declared(program);
    for (const { specifier, line } of imports) {
      const library = libraryOf(specifier);
      if (specifier.startsWith(".") || library.startsWith("node:") || mayUse.has(library)) continue;
      if (isTest(file) && shared.has(library)) continue;
      if (program === null && library.startsWith("@cuttle/")) continue; // the workspaces themselves, linked by npm
      violations.push({
        rule: "7",
        message: `${file}:${line} imports ${library}, which ${program ?? "no"}${program === null ? " package.json declares" : "/package.json does not declare"}. Add it there with an exact version and a line in docs/decisions/0007-dependencies.md, or do without.`,
      });
    }
  }
  return violations;
}
