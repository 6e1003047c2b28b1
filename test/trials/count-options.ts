// The words of a trial's command: whole numbers within limits. A wrong word ends the command with what there is, before anything is started: a
// trial of no rounds would else report that nothing went wrong.
import { parseArgs } from "node:util";

export interface CountLimits {
  /** When it is left out. */
  usual: number;
  min: number;
  /** Left out: what a cluster on one machine can have. */
  max?: number;
}

const countMax = 100_000;

/** The option by which every trial is repeated: another one each time it is left out. */
export const seedOption: CountLimits = { usual: Date.now() % countMax, min: 0, max: 1_000_000_000 };

/** What was given as `--name 7` or `--name=7`. Ends the process with code 2 for anything else. */
export function readCounts<Name extends string>(limits: Readonly<Record<Name, CountLimits>>): Record<Name, number> {
  const names = Object.keys(limits) as Name[];
  try {
    const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: "string" }] as const)) });
    const given = values as Partial<Record<Name, string>>;
    return Object.fromEntries(names.map((name) => [name, countOf(name, given[name], limits[name])])) as Record<Name, number>;
  } catch (error) {
    const known = names.map((name) => `--${name} ${limits[name].usual}`).join(" ");
    console.error(`${(error as Error).message}. What there is, with what it is when left out: ${known}`);
    process.exit(2);
  }
}

function countOf(name: string, text: string | undefined, { usual, min, max = countMax }: CountLimits): number {
  if (text === undefined) return usual;
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new Error(`--${name} takes a whole number from ${min} to ${max}, not "${text}"`);
}
