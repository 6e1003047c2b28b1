// Compares a tree with the architecture written in architecture.ts and returns one message for each violation, which says what to do instead.
// That a route names its permission (rule 10) is seen at a node's start, not here.
import {
  checkAreas,
  checkCircles,
  checkDeclaredLibraries,
  checkExtensions,
  checkHomes,
  checkLayers,
  checkPortal,
  checkPrograms,
  checkPublicFiles,
} from "./architecture-imports.ts";
import { readSources } from "./architecture-sources.ts";
import type { Violation } from "./architecture-sources.ts";
import { checkNames, checkOpenings, checkSideEffects, checkSwitchedOff, checkWriters } from "./architecture-texts.ts";

/** Reads every source file below the root and returns what breaks a rule, and the number of lines of each file. */
export function checkArchitecture(root: string): { violations: Violation[]; lines: { file: string; lines: number }[] } {
  const files = readSources(root);
  const violations = [
    ...checkPrograms(files),
    ...checkDeclaredLibraries(root, files),
    ...checkLayers(files),
    ...checkPortal(files),
    ...checkPublicFiles(files),
    ...checkAreas(files),
    ...checkExtensions(files),
    ...checkCircles(files),
    ...checkHomes(files),
    ...checkWriters(files),
    ...checkSideEffects(files),
    ...checkOpenings(files),
    ...checkNames(files),
    ...checkSwitchedOff(files),
  ];
  return { violations, lines: files.map(({ file, text }) => ({ file, lines: text.split("\n").length - 1 })) };
}
