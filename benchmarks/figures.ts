// What the measurements of the table of figures share: options that are numbers, and the row that each of them prints.

import { parseArgs } from "node:util";

/** What a measurement on one machine can have. */
const countMax = 10_000_000;

type Counts = Readonly<Record<string, number | readonly number[]>>;
type Given<Usual extends Counts> = { [Name in keyof Usual]: Usual[Name] extends number ? number : readonly number[] };

/**
 * Numbers given as `--name 7`, lists of numbers as `--name 1,2,4`, or as they stand here when left out; ends the process with what there is
 * when something else is given.
 */
export function readCounts<Usual extends Counts>(usual: Usual): Given<Usual> {
  const names = Object.keys(usual);
  try {
    const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: "string" }] as const)) });
    return Object.fromEntries(
      names.map((name) => {
        const given = values[name];
        if (given === undefined) return [name, usual[name]];
        const isList = typeof usual[name] !== "number";
        const numbers = (isList ? given.split(",") : [given]).map(Number);
        if (!numbers.every((number) => Number.isInteger(number) && number >= 0 && number <= countMax))
          throw new Error(`--${name} takes ${isList ? "whole numbers" : "a whole number"} up to ${countMax}, not ${given}`);
        return [name, isList ? numbers : numbers[0]];
      }),
    ) as Given<Usual>;
  } catch (error) {
    const known = names.map((name) => `--${name} ${String(usual[name])}`).join(" ");
    console.error(`${(error as Error).message}. What there is, with what it is when left out: ${known}`);
    process.exit(2);
  }
}

/**
 * Prints a row: what was measured, what is to be reached, what came out and its share of the limit, and how to see it again. `missed` says
 * what else was to be reached and was not.
 */
export function sayRow(row: { what: string; reach: string; measured: string; ofLimit: number; missed?: string; command: string }): void {
  const verdict = [
    ...(row.missed === undefined ? [] : [row.missed]),
    row.ofLimit <= 1 && row.missed === undefined ? "reached" : "not reached",
  ];
  const measured = `${row.measured}; ${row.ofLimit.toFixed(2)} of the limit, ${verdict.join(", ")}`;
  console.log(`| ${row.what} | ${row.reach} | ${measured} | \`${row.command}\` |`);
}

/** The command as it was given, with its seed even when that was left out. */
export function commandOf(script: string, counts: Counts): string {
  return `npm run ${script} -- ${Object.entries(counts)
    .map(([name, number]) => `--${name} ${String(number)}`)
    .join(" ")}`;
}
