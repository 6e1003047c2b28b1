// Which lines of a text went and which came, with some lines around them. Pure.

export interface DifferingLine {
  sign: " " | "-" | "+";
  text: string;
  /** Of the text it is in. */
  number: number;
}

/** The table of the comparison has the product of both lengths. */
const comparedMax = 1_000_000;
const around = 2;

/** Undefined when the texts are too long to be compared. */
export function differingLines(before: string, after: string): DifferingLine[] | undefined {
  const [old, next] = [before.split("\n"), after.split("\n")];
  if (old.length * next.length > comparedMax) return undefined;
  // Length of the longest common rest from each pair of lines on.
  const width = next.length + 1;
  const common = new Uint32Array((old.length + 1) * width);
  for (let a = old.length - 1; a >= 0; a--)
    for (let b = next.length - 1; b >= 0; b--)
      common[a * width + b] =
        old[a] === next[b] ? common[(a + 1) * width + b + 1]! + 1 : Math.max(common[(a + 1) * width + b]!, common[a * width + b + 1]!);
  const all: DifferingLine[] = [];
  let [a, b] = [0, 0];
  while (a < old.length || b < next.length) {
    if (a < old.length && b < next.length && old[a] === next[b]) {
      all.push({ sign: " ", text: next[b]!, number: b + 1 });
      a++;
      b++;
    } else if (b >= next.length || (a < old.length && common[(a + 1) * width + b]! >= common[a * width + b + 1]!)) {
      all.push({ sign: "-", text: old[a]!, number: a + 1 });
      a++;
    } else {
      all.push({ sign: "+", text: next[b]!, number: b + 1 });
      b++;
    }
  }
  const isNear = (at: number): boolean => all.slice(Math.max(0, at - around), at + around + 1).some(({ sign }) => sign !== " ");
  return all.filter((_, at) => isNear(at));
}
