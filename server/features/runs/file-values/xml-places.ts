// Writes a changed XML document so that all that nobody changed stays as it was written: blanks, line breaks, quotes, the order of attributes.
// Each node knows the piece of text that it was read from, also one that came out of another document.

import { XMLSerializer } from "@xmldom/xmldom";
import type { Attr, Element, Node } from "@xmldom/xmldom";
import { NotOfThisForm } from "./text-edits.ts";

/** No configuration of people is nested so deep; writing and searching go as deep on the stack. */
export const xmlDepthMax = 200;

const elementNode = 1;
const textNode = 3;

/** A node in the text; what concerns tags is 0 or empty for others than elements. */
interface Piece {
  isElement: boolean;
  from: number;
  to: number;
  /** Behind the start tag. */
  startTo: number;
  /** Before the end tag. */
  endFrom: number;
  children: Piece[];
}

interface Place {
  source: string;
  piece: Piece;
  /** Attributes as they were read. */
  attributes: ReadonlyMap<string, string>;
}

export interface XmlPlaces {
  /** Remembers where the nodes of a document stand that was just read from this text. Throws NotOfThisForm. */
  remember(root: Element, source: string): void;
  /** A copy of an element stands where the element does. */
  copy(from: Node, to: Node): void;
  /** The node is no more what it was read from. */
  forget(node: Node): void;
  /** The text, with the root in place of the one that was read from it. */
  write(source: string, root: Element): string;
}

export function createXmlPlaces(): XmlPlaces {
  const places = new WeakMap<Node, Place>();

  function rememberNode(node: Node, piece: Piece, source: string): void {
    if (node.nodeType !== elementNode) {
      places.set(node, { source, piece, attributes: new Map() });
      return;
    }
    const children = childrenOf(node);
    // What the two read differently is written anew as a whole.
    if (!piece.isElement || children.length !== piece.children.length) return;
    const attributes = new Map(Array.from((node as Element).attributes, (one: Attr) => [one.name, one.value]));
    places.set(node, { source, piece, attributes });
    for (const [n, child] of children.entries()) rememberNode(child, piece.children[n]!, source);
  }

  function copy(from: Node, to: Node): void {
    const place = places.get(from);
    if (place !== undefined) places.set(to, place);
    const targets = childrenOf(to);
    for (const [n, child] of childrenOf(from).entries()) copy(child, targets[n]!);
  }

  function writeNode(node: Node, eol: string, out: string[]): void {
    const place = places.get(node);
    if (place === undefined) {
      out.push(node.nodeType === textNode ? escaped(node.nodeValue ?? "", eol) : new XMLSerializer().serializeToString(node));
      return;
    }
    const { source, piece } = place;
    if (node.nodeType !== elementNode) {
      out.push(source.slice(piece.from, piece.to));
      return;
    }
    const start = startTagOf(node as Element, place);
    const children = childrenOf(node);
    const isEmptyTag = start.endsWith("/>");
    if (isEmptyTag && children.length === 0) {
      out.push(start);
      return;
    }
    out.push(isEmptyTag ? start.replace(/\s*\/>$/, ">") : start);
    for (const child of children) writeNode(child, eol, out);
    out.push(isEmptyTag ? `</${node.nodeName}>` : source.slice(piece.endFrom, piece.to));
  }

  return {
    remember(root, source) {
      const piece = readPieces(source).find((one) => one.isElement);
      if (piece !== undefined) rememberNode(root, piece, source);
    },
    copy,
    forget: (node) => void places.delete(node),
    write(source, root) {
      const piece = readPieces(source).find((one) => one.isElement);
      if (piece === undefined) throw new NotOfThisForm("it has no element");
      const out = [source.slice(0, piece.from)];
      writeNode(root, lineBreakOf(source), out);
      out.push(source.slice(piece.to));
      return out.join("");
    },
  };
}

export function childrenOf(node: Node): Node[] {
  const found: Node[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) found.push(child);
  return found;
}

/** The line break that a text uses. */
export const lineBreakOf = (source: string): string => (source.includes("\r\n") ? "\r\n" : "\n");

/** The start tag with its attributes as they are now. */
function startTagOf(element: Element, { source, piece, attributes }: Place): string {
  const written = source.slice(piece.from, piece.startTo);
  const now = new Map(Array.from(element.attributes, (one: Attr) => [one.name, one.value]));
  const isSame = now.size === attributes.size && [...now].every(([name, value]) => attributes.get(name) === value);
  if (isSame) return written;
  const kept = written.replace(
    /(\s+)([^\s=]+)(\s*=\s*)("[^"]*"|'[^']*')/g,
    (whole, blank: string, name: string, equals: string, quoted: string) => {
      const value = now.get(name);
      if (value === undefined) return "";
      if (value === attributes.get(name)) return whole;
      return `${blank}${name}${equals}${quotedValue(value, quoted[0]!)}`;
    },
  );
  const added = [...now].filter(([name]) => !attributes.has(name)).map(([name, value]) => ` ${name}=${quotedValue(value, '"')}`);
  const end = /\s*\/?>$/.exec(kept)![0];
  return `${kept.slice(0, kept.length - end.length)}${added.join("")}${end}`;
}

function quotedValue(value: string, quote: string): string {
  const text = value.replace(/[&<\n\r\t]/g, (sign) => (sign === "&" ? "&amp;" : sign === "<" ? "&lt;" : `&#${sign.charCodeAt(0)};`));
  return `${quote}${text.replaceAll(quote, quote === '"' ? "&quot;" : "&apos;")}${quote}`;
}

function escaped(text: string, eol: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\n", eol);
}

/** What stands between other signs than tags, in the order in which it is asked for. */
const spans = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
  ["<?", "?>"],
] as const;

/** The pieces of a well-formed text without a document type, nested as its elements are. Throws NotOfThisForm. */
function readPieces(source: string): Piece[] {
  const root: Piece = { isElement: true, from: 0, to: source.length, startTo: 0, endFrom: source.length, children: [] };
  const open = [root];
  let at = 0;
  const plain = (to: number): void => {
    open.at(-1)!.children.push({ isElement: false, from: at, to, startTo: 0, endFrom: 0, children: [] });
    at = to;
  };
  const behind = (text: string): number => {
    const found = source.indexOf(text, at);
    if (found < 0) throw new NotOfThisForm(`it ends within '${source.slice(at, at + 20)}'`);
    return found + text.length;
  };
  while (at < source.length) {
    if (source[at] !== "<") {
      const next = source.indexOf("<", at);
      plain(next < 0 ? source.length : next);
      continue;
    }
    const span = spans.find(([begin]) => source.startsWith(begin, at));
    if (span !== undefined) plain(behind(span[1]));
    else if (source.startsWith("</", at)) {
      const closed = open.pop()!;
      if (open.length === 0) throw new NotOfThisForm("it closes an element that is not open");
      closed.endFrom = at;
      at = closed.to = behind(">");
    } else {
      const to = behindTag(source, at);
      const piece: Piece = { isElement: true, from: at, to, startTo: to, endFrom: to, children: [] };
      open.at(-1)!.children.push(piece);
      if (source[to - 2] !== "/") open.push(piece);
      if (open.length > xmlDepthMax) throw new NotOfThisForm(`its elements are nested deeper than ${xmlDepthMax}`);
      at = to;
    }
  }
  return root.children;
}

function behindTag(source: string, from: number): number {
  for (let at = from; at < source.length; at++) {
    const sign = source[at]!;
    if (sign === ">") return at + 1;
    if (sign === '"' || sign === "'") {
      at = source.indexOf(sign, at + 1);
      if (at < 0) break;
    }
  }
  throw new NotOfThisForm("it ends within a tag");
}
