// What the measurements of the table of figures share: options that are numbers, and the row that each of them prints.

import { parseArgs } from "node:util";

/** What a measurement on one machine can have. */
const countMax = 10_000_000;

/** Numbers given as `--name 7`, or as they stand here when left out; ends the process with what there is when something else is given. */
export function readCounts<Name extends string>(usual: Readonly<Record<Name, number>>): Record<Name, number> {
  const names = Object.keys(usual) as Name[];
  try {
    const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: "string" }] as const)) });
    return Object.fromEntries(
      names.map((name) => {
        const number = Number(values[name] ?? usual[name]);
        if (!Number.isInteger(number) || number < 0 || number > countMax)
          throw new Error(`--${name} is a whole number up to ${countMax}, not ${values[name]}`);
        return [name, number];
      }),
    ) as Record<Name, number>;
  } catch (error) {
    console.error(
      `${(error as Error).message}. What there is, with what it is when left out: ${names.map((name) => `--${name} ${usual[name]}`).join(" ")}`,
    );
    process.exit(2);
  }
}

/** Prints a row: what was measured, what is to be reached, what came out and its share of the limit, and how to see it again. */
export function sayRow(row: { what: string; reach: string; measured: string; ofLimit: number; command: string }): void {
  const verdict = row.ofLimit <= 1 ? "reached" : "not reached";
  console.log(`| ${row.what} | ${row.reach} | ${row.measured}; ${row.ofLimit.toFixed(2)} of the limit, ${verdict} | \`${row.command}\` |`);
}

/** The command as it was given, with its seed even when that was left out. */
export function commandOf(script: string, counts: Readonly<Record<string, number>>): string {
  return `npm run ${script} -- ${Object.entries(counts)
    .map(([name, number]) => `--${name} ${number}`)
    .join(" ")}`;
}
