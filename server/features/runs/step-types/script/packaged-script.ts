// What is sent to an agent to run a script that is a file of a package: which shell its name asks for, and how each is told. Pure.

import {
  bashWord,
  composeBashScript,
  composePowerShellScript,
  composePythonScript,
  runPowerShellFromBash,
  runPython,
} from "../../../../engine/execution/execution.ts";
import type { ScriptVariable } from "../../../../engine/execution/execution.ts";

export type ScriptSyntax = "Bash" | "PowerShell" | "Python";

const syntaxOfEnding = new Map<string, ScriptSyntax>([
  [".sh", "Bash"],
  [".ps1", "PowerShell"],
  [".py", "Python"],
]);
const fileNameCharactersMax = 1_000;

/** A file within a package, with the shell that runs it; or what is wrong with its name, as the rest of a sentence. */
export function readScriptFile(name: string): { file: string; syntax: ScriptSyntax } | { fault: string } {
  const parts = name
    .trim()
    .replaceAll("\\", "/")
    .split("/")
    .filter((part) => part !== "" && part !== ".");
  const file = parts.join("/");
  const shown = file.slice(0, 200);
  if (file === "" || file.length > fileNameCharactersMax) return { fault: "it names no file of the package that could be run" };
  // oxlint-disable-next-line no-control-regex -- no file of a package has such a name
  if (/^\s*[/\\]|^\s*[A-Za-z]:/.test(name) || parts.includes("..") || /[\u0000-\u001f\u007f]/.test(file))
    return { fault: `'${shown}' is not a file within the package. Name it from the package's root, such as scripts/migrate.sh` };
  const ending = /\.[^./]+$/.exec(file)?.[0].toLowerCase() ?? "";
  const syntax = syntaxOfEnding.get(ending);
  if (syntax !== undefined) return { file, syntax };
  return { fault: `'${shown}' cannot be run: scripts of packages end with ${[...syntaxOfEnding.keys()].join(", ")} here` };
}

/** Bash that puts the package into its place (`unpack`), and runs its file there. */
export function composePackagedScript(
  { file, syntax }: { file: string; syntax: ScriptSyntax },
  parts: { folder: string; unpack: string; package: string; variables: readonly ScriptVariable[]; parameters: string },
): string {
  const { folder, variables, parameters } = parts;
  const path = `${folder}/${file}`;
  // Where official servers run it, so that it finds what lies beside it.
  const place = path.slice(0, path.lastIndexOf("/"));
  const check = [
    parts.unpack,
    `[ -f ${bashWord(path)} ] || { echo "The package "${bashWord(parts.package)}" has no file "${bashWord(file)}". Correct the name in the step." >&2; exit 1; }`,
  ];
  if (syntax === "Bash")
    return composeBashScript(
      variables,
      [
        ...check,
        // Written on Windows, as it happens.
        `if grep -q $'\\r$' ${bashWord(path)}; then tr -d '\\r' < ${bashWord(path)} > ./Step.sh && cat ./Step.sh > ${bashWord(path)}; fi`,
        `cd ${bashWord(place)} || exit 1`,
        `. ${bashWord(`.${path.slice(place.length)}`)}`,
      ].join("\n"),
      parameters,
    );
  const before = [...check, ""].join("\n");
  if (syntax === "Python") {
    const literal = JSON.stringify;
    const body = [
      "import os, sys",
      `os.chdir(${literal(place)})`,
      `__file__ = sys.argv[0] = ${literal(path)}`,
      "sys.path.insert(0, os.path.dirname(__file__))",
      "exec(compile(open(__file__, 'rb').read(), __file__, 'exec'))",
    ];
    return `${before}${runPython(composePythonScript(variables, body.join("\n")), parameters).bash}`;
  }
  const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
  const body = [`Set-Location -LiteralPath ${text(place)}`, `. ${text(path)} ${parameters.replaceAll(/\s+/g, " ")}`.trimEnd()];
  return `${before}${runPowerShellFromBash(composePowerShellScript(variables, body.join("\n")))}`;
}
