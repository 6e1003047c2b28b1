// Puts values into XML: at places named by XPath, and into the settings of .NET configuration files. All else stays as it was written.
// Documents with a document type are refused: they could name other files.

import { DOMParser, onErrorStopParsing } from "@xmldom/xmldom";
import type { Attr, Document, Element, Node } from "@xmldom/xmldom";
import xpath from "xpath";
import { NotOfThisForm } from "./text-edits.ts";
import type { ValueOf } from "./text-edits.ts";
import { createXmlPlaces } from "./xml-places.ts";
import type { XmlPlaces } from "./xml-places.ts";

/** Reading takes about a second for so much. */
const charactersMax = 4_000_000;
const element = 1;
const attribute = 2;
const text = 3;
const cdata = 4;

/** Every name that begins with a slash is asked for as XPath. Throws NotOfThisForm. */
export function replaceInXml(source: string, names: readonly string[], valueOf: ValueOf): string {
  const document = readXml(source);
  const places = createXmlPlaces();
  places.remember(document.documentElement!, source);
  const paths = names.filter((name) => name.startsWith("/"));
  if (paths.length === 0) return source;
  let changed = false;
  const select = xpath.useNamespaces(namespacesOf(document));
  for (const path of paths) {
    const value = valueOf(path);
    if (value === undefined) continue;
    for (const node of selected(select, path, document)) {
      put(document, node, value, places);
      changed = true;
    }
  }
  return changed ? places.write(source, document.documentElement!) : source;
}

/** `appSettings`, `connectionStrings` and `applicationSettings`. Throws NotOfThisForm. */
export function replaceInDotNetConfiguration(source: string, valueOf: ValueOf): string {
  if (!/<(?:[\w.-]+:)?(?:appSettings|connectionStrings|applicationSettings)\b/.test(source)) return source;
  const document = readXml(source);
  const places = createXmlPlaces();
  places.remember(document.documentElement!, source);
  let changed = false;
  const each = (section: string, name: string, work: (found: Element) => void): void => {
    for (const outer of Array.from(document.getElementsByTagNameNS("*", section)))
      for (const found of Array.from(outer.getElementsByTagNameNS("*", name))) work(found);
  };
  const attributeOf = (section: string, key: string, of: string): void =>
    each(section, "add", (found) => {
      const value = valueOf(found.getAttribute(key) ?? "");
      if (value === undefined) return;
      found.setAttribute(of, value);
      changed = true;
    });
  attributeOf("appSettings", "key", "value");
  attributeOf("connectionStrings", "name", "connectionString");
  each("applicationSettings", "setting", (found) => {
    const value = valueOf(found.getAttribute("name") ?? "");
    const place = Array.from(found.childNodes).find((child) => (child as Element).localName === "value");
    if (value === undefined || place === undefined) return;
    put(document, place, value, places);
    changed = true;
  });
  return changed ? places.write(source, document.documentElement!) : source;
}

export function readXml(source: string): Document {
  if (source.length > charactersMax) throw new NotOfThisForm(`it is longer than ${charactersMax} characters`);
  if (/<!DOCTYPE/i.test(source)) throw new NotOfThisForm("it has a document type, and such documents are not read");
  try {
    return new DOMParser({ onError: onErrorStopParsing }).parseFromString(source.replace(/^\ufeff/, ""), "text/xml");
  } catch (error) {
    throw new NotOfThisForm(`it is no XML: ${String((error as Error).message).split("\n")[0]}`);
  }
}

function selected(select: ReturnType<typeof xpath.useNamespaces>, path: string, document: Document): Node[] {
  try {
    const found = select(path, document);
    return Array.isArray(found) ? found : [];
  } catch {
    return []; // a variable whose name only looks like a path
  }
}

/** The prefixes that the document declares, wherever it does; the first of a name counts. */
function namespacesOf(document: Document): Record<string, string> {
  const found: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const one of Array.from(document.getElementsByTagName("*")))
    for (const { prefix, localName, value } of Array.from(one.attributes)) if (prefix === "xmlns" && localName) found[localName] ??= value;
  return found;
}

function put(document: Document, node: Node, value: string, places: XmlPlaces): void {
  if (node.nodeType === attribute) (node as Attr).value = value;
  if (node.nodeType === text || node.nodeType === cdata) {
    node.nodeValue = value;
    places.forget(node);
  }
  if (node.nodeType !== element) return;
  const children = Array.from(node.childNodes);
  if (children.some((child) => child.nodeType === element)) {
    for (const child of children) node.removeChild(child);
    for (const child of Array.from(readXml(`<fragment>${value}</fragment>`).documentElement!.childNodes))
      node.appendChild(document.importNode(child, true));
    return;
  }
  // A text that was marked as CDATA stays so.
  const marked = children.find((child) => child.nodeType === cdata);
  if (marked !== undefined && !value.includes("]]>")) {
    marked.nodeValue = value;
    places.forget(marked);
    for (const child of children) if (child !== marked) node.removeChild(child);
  } else node.textContent = value;
}
