/**
 * Makes templates and variables at random from a seed, evaluates them, and looks for anything but a result or a typed refusal, and for slowness.
 * Run as a program: `node templates/fuzz-templates.ts --inputs <number> [--seed <number>]`.
 */
import { TemplateError, createVariables, namesUsedBy, parseTemplate } from "./templates.ts";
import { filters } from "./filters.ts";

export interface FuzzResult {
  inputs: number;
  /** How many texts became others, stayed as they were, could not be read, and each kind of refusal. */
  outcomes: { [outcome: string]: number };
  slowestMs: number;
  slowest: string;
  residentGrowthBytes: number;
}

/** No input may take longer. The limits below keep honest ones far under it; the rest is for a busy machine and the collector. */
const inputMsMax = 10_000;
/** What may stay behind is caches with a limit; a leak of a kilobyte per input would exceed this in the default run of 1,000,000. */
const residentGrowthBytesMax = 600 * 1024 * 1024;
const inputsPerLook = 5_000;
/** Lower than by default, so that many inputs reach them. */
const limits = { stepsMax: 20_000, outputCharactersMax: 100_000, producedCharactersMax: 500_000, regexMsMax: 200 };

/** Throws with seed and number of the input that crashed, hung or left memory behind. */
export function fuzzTemplates(
  inputs: number,
  seed: number,
  report: (done: number, result: FuzzResult) => void = () => undefined,
): FuzzResult {
  const random = generator(seed);
  const result: FuzzResult = { inputs, outcomes: {}, slowestMs: 0, slowest: "", residentGrowthBytes: 0 };
  let residentBefore = 0;
  for (let input = 0; input < inputs; input++) {
    const names = Array.from({ length: 1 + random(6) }, () => pick(variableNames, random));
    const values = names.map((name) => ({ name, value: randomText(random), sensitive: random(8) === 0 }));
    if (random(150) === 0) values.push(...explosive(random));
    const text = randomText(random);
    const startedAt = performance.now();
    const outcome = tryOne(text, values, random, `input ${input} of seed ${seed}`);
    const ms = performance.now() - startedAt;
    result.outcomes[outcome] = (result.outcomes[outcome] ?? 0) + 1;
    if (ms > result.slowestMs) [result.slowestMs, result.slowest] = [ms, text.slice(0, 200)];
    if (ms > inputMsMax) throw new Error(`Input ${input} of seed ${seed} took ${Math.round(ms)} ms: ${JSON.stringify({ text, values })}`);
    if ((input + 1) % inputsPerLook !== 0) continue;
    const resident = process.memoryUsage.rss();
    // The first look comes once caches and code are warm.
    if (residentBefore === 0) residentBefore = resident;
    result.residentGrowthBytes = Math.max(result.residentGrowthBytes, resident - residentBefore);
    if (result.residentGrowthBytes > residentGrowthBytesMax)
      throw new Error(`Memory grew by ${Math.round(result.residentGrowthBytes / 1e6)} MB by input ${input} of seed ${seed}.`);
    report(input + 1, result);
  }
  return result;
}

function tryOne(
  text: string,
  values: readonly { name: string; value: string; sensitive: boolean }[],
  random: (below: number) => number,
  where: string,
): string {
  try {
    const variables = createVariables(values, { nowMs: 1_800_000_000_000, utcOffsetMinutes: 60, limits });
    const broken = random(2) === 0 ? "refuse" : "text";
    const parsed = parseTemplate(text, { broken });
    if (parsed.ok) namesUsedBy(parsed.nodes);
    const first = variables.evaluate(text, { broken });
    const again = variables.evaluate(text, { broken });
    if (first.text !== again.text || first.sensitive !== again.sensitive) throw new Error("The second evaluation differs from the first.");
    for (const { name } of values) variables.indexesOf(name);
    if ("polluted" in {}) throw new Error("A name reached Object.prototype.");
    if (first.problem !== null) return "unreadable";
    return first.text === null ? "null" : first.text === text ? "unchanged" : "evaluated";
  } catch (error) {
    if (error instanceof TemplateError) return error.kind;
    throw new Error(`${where} made it fail: ${JSON.stringify({ text, values }).slice(0, 4_000)}`, { cause: error });
  }
}

// -- random texts

const variableNames = [
  "A",
  "B",
  "C",
  "Json",
  "List",
  "A.B",
  "A[x]",
  "A[y].B",
  "A[x].C.D",
  "__proto__",
  "constructor",
  "Octopus.Action[B].Name",
  "Ä ö",
];
const filterNames = [...filters.keys(), "Nope", "__proto__"];
const pieces = [
  "#{",
  "}",
  "#{if ",
  "#{/if}",
  "#{else}",
  "#{elseif A}",
  "#{unless A}",
  "#{/unless}",
  "#{each i in List}",
  "#{each i in A}",
  "#{i}",
  "#{i.Value.x}",
  "#{/each}",
  "#{calc ",
  "##{",
  "#",
  "[",
  "]",
  "(",
  ")",
  "|",
  '"',
  '\\"',
  " == ",
  " != ",
  ",",
  ".",
  "*",
  "+",
  "/",
  "-",
  " ",
  "\n",
  "{",
  ":",
  "\0",
  "é",
  "\uD800",
  "😀",
  "0",
  "17",
  "-1",
  "99999999999999999999",
  "1e308",
  "2030-05-22T09:05:00+02:00",
  "[1,2,{x:3}]",
  '{"__proto__": {"polluted": 1}, "x": [1, "#{A}"]}',
  "https://user:p@host:1/p?q#f",
  "(a+)+$",
  "[a-z]{2,5}",
  "1.2.3-beta.4+m",
  "yyyy-MM-dd",
  "0.00;(#)",
  "aaaaaaaaaaaaaaaaaaaaaaaa",
  "| a | b |\n|-|-|\n|**c**|[d](e)|",
];

function randomText(random: (below: number) => number): string {
  const length = 1 + random(random(20) === 0 ? 60 : 8);
  let text = "";
  for (let part = 0; part < length; part++) {
    const kind = random(10);
    if (kind < 3) text += randomExpression(random, 0);
    else if (kind < 5) text += randomBlock(random, 0);
    else if (kind < 6) text += pick(variableNames, random);
    else text += pick(pieces, random);
  }
  if (random(3) === 0) text = mutated(text, random);
  // Now and then what explodes: many of the same, long or nested.
  if (random(500) === 0) text = text.slice(0, 40).repeat(1 + random(500));
  return text;
}

/** Values that double over and over, lists that are looped over in loops, chains and long texts for filters. */
function explosive(random: (below: number) => number): { name: string; value: string; sensitive: boolean }[] {
  const value = (name: string, text: string) => ({ name, value: text, sensitive: false });
  switch (random(4)) {
    case 0:
      return [
        value("A", "#{B}#{B}"),
        ...Array.from({ length: 30 }, (_, at) => value(at === 0 ? "B" : `B${at}`, `#{B${at + 1}}#{B${at + 1}}`)),
        value("B30", "x"),
      ];
    case 1: {
      const loops = 1 + random(5);
      return [value("List", ",".repeat(random(300))), value("A", "#{each i in List}".repeat(loops) + "#{i}" + "#{/each}".repeat(loops))];
    }
    case 2:
      return [
        value("A", "#{B}"),
        ...Array.from({ length: 150 }, (_, at) => value(at === 0 ? "B" : `B${at}`, `#{B${at + 1}}#{if A[x]}#{/if}`)),
      ];
    default:
      return [value("A", "ab1 .".repeat(random(20_000))), value("B", `#{A | ${pick(filterNames, random)} "(a|ab|1)*(.*)b+"}`)];
  }
}

function randomExpression(random: (below: number) => number, depth: number): string {
  let text = `#{${random(10) === 0 ? "calc " : ""}${random(12) === 0 ? "" : pick(variableNames, random)}`;
  if (random(6) === 0) text += `[${depth < 3 ? randomExpression(random, depth + 1) : "x"}]`;
  for (let filter = random(3); filter > 0; filter--) {
    text += ` | ${pick(filterNames, random)}`;
    for (let option = random(3); option > 0; option--) {
      const kind = random(4);
      if (kind === 0 && depth < 3) text += ` ${randomExpression(random, depth + 1)}`;
      else if (kind === 1) text += ` ${random(300) - 20}`;
      else text += ` "${pick(pieces, random)}"`;
    }
  }
  return `${text}}`;
}

function randomBlock(random: (below: number) => number, depth: number): string {
  const body = depth < 4 && random(2) === 0 ? randomBlock(random, depth + 1) : randomExpression(random, depth);
  const name = pick(variableNames, random);
  switch (random(4)) {
    case 0:
      return `#{if ${name}${random(2) === 0 ? ' == "17"' : ""}}${body}#{elseif ${pick(variableNames, random)}}x#{else}${body}#{/if}`;
    case 1:
      return `#{unless ${name} | ${pick(filterNames, random)}}${body}#{/unless}`;
    default:
      return `#{each ${pick(["i", "A", "octopus"], random)} in ${name}}${body}#{Octopus.Template.Each.Index}#{/each}`;
  }
}

function mutated(text: string, random: (below: number) => number): string {
  let changed = text;
  for (let changes = 1 + random(3); changes > 0; changes--) {
    const at = random(changed.length + 1);
    const size = random(6);
    const kind = random(3);
    if (kind === 0) changed = changed.slice(0, at) + changed.slice(at + size);
    else if (kind === 1) changed = changed.slice(0, at) + pick(pieces, random) + changed.slice(at);
    else changed = changed.slice(0, at) + changed.slice(at, at + size).repeat(2) + changed.slice(at + size);
  }
  return changed;
}

function pick<Item>(items: readonly Item[], random: (below: number) => number): Item {
  return items[random(items.length)] as Item;
}

/** mulberry32: small, even enough, and the same on every machine. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

/** Throws for anything but a whole number: no inputs would else be reported as no crashes. */
function numberAfter(flag: string, otherwise: number): number {
  const at = process.argv.indexOf(flag);
  if (at < 0) return otherwise;
  const number = Number(process.argv[at + 1]);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new RangeError(`${flag} takes a whole number above 0, not ${process.argv[at + 1] ?? "nothing"}.`);
}

if (import.meta.main) {
  const inputs = numberAfter("--inputs", 1_000_000);
  const seed = numberAfter("--seed", Date.now() % 1_000_000);
  const line = (done: number, { residentGrowthBytes, slowestMs }: FuzzResult): string =>
    `${done} inputs, slowest ${Math.round(slowestMs)} ms, memory ${Math.round(process.memoryUsage.rss() / 1e6)} MB, grown by ${Math.round(residentGrowthBytes / 1e6)} MB\n`;
  process.stdout.write(`Seed ${seed}\n`);
  const startedAt = performance.now();
  const result = fuzzTemplates(inputs, seed, (done, state) => {
    if (done % 50_000 === 0) process.stdout.write(line(done, state));
  });
  process.stdout.write(
    `${line(inputs, result)}${JSON.stringify(result.outcomes)}\n0 crashes, 0 hangs in ${Math.round((performance.now() - startedAt) / 1000)} s; slowest: ${JSON.stringify(result.slowest)}\n`,
  );
}
