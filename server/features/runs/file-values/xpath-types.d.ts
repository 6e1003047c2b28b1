// What is used of the library xpath. Its own declarations bring the types of browsers along, which change those of Node everywhere; so
// tsconfig.json points here.
import type { Node } from "@xmldom/xmldom";

declare const xpath: {
  /** Answers nodes, or the text, number or flag that an expression comes to. */
  useNamespaces(prefixes: Record<string, string>): (expression: string, node: Node) => Node[] | string | number | boolean;
};
export default xpath;
