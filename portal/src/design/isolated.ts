// Names within sentences: one in a script that is written from right to left must not turn the words around it. Names alone need nothing, since
// every element stands for itself (base.css); characters that turn text do not come this far (api/request.ts).

/** Hebrew, Arabic and their neighbours. */
const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]|[\ud802\ud803\ud83a\ud83b][\udc00-\udfff]/;

export function isolated(name: string): string {
  return rightToLeft.test(name) ? `\u2068${name}\u2069` : name;
}
