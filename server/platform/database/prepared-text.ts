// Names for statements whose texts are put together from parts, so that each connection prepares them once instead of planning them each time.

/** There are as many texts as combinations of filters that clients use; what comes after this many is planned each time. */
const preparedTextsMax = 512;
const known = new Map<string, { name: string }>();

/** Options for a statement that is asked again and again; undefined, so not prepared, when there are too many of them already. */
export function preparedAs(text: string): { name: string } | undefined {
  let options = known.get(text);
  if (options === undefined && known.size < preparedTextsMax) known.set(text, (options = { name: `text-${known.size + 1}` }));
  return options;
}
