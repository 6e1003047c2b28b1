// Microsoft's language for changes of XML documents (XDT), as .NET configuration files use it: a document of the same build whose elements say
// by xdt:Locator which element is meant and by xdt:Transform what becomes of it. Nothing of the text changes but what a transform names.
// Other assemblies (xdt:Import) are not loaded.

import vm from "node:vm";
import type { Attr, Document, Element, Node } from "@xmldom/xmldom";
import xpath from "xpath";
import { NotOfThisForm } from "./text-edits.ts";
import { childrenOf, createXmlPlaces } from "./xml-places.ts";
import type { XmlPlaces } from "./xml-places.ts";
import { readXml } from "./xml-values.ts";

/** Of the document and of the transform; larger ones are no configuration that people keep. */
export const transformedCharactersMax = 1_000_000;
/** Elements of a transform. */
const transformElementsMax = 10_000;
/** For one transform of one document. An expression may ask for each element at each element; nothing else runs on the node meanwhile. */
export const transformMsMax = 1_500;
/** Of each kind of message; more would only repeat themselves. */
const messagesMax = 50;

const namespace = "http://schemas.microsoft.com/XML-Document-Transform";
const declarations = "http://www.w3.org/2000/xmlns/";
/** The prefix under which expressions name elements of the default namespace, as in the original. */
const defaultPrefix = "_defaultNamespace";
const elementNode = 1;
const textNode = 3;
const indentUnit = "  ";

export interface TransformedXml {
  text: string;
  /** Each a sentence without its full stop, as are the others. */
  errors: string[];
  warnings: string[];
  /** What was done. */
  notes: string[];
}

/** What fails at one element is an error among others; the rest is done. Throws NotOfThisForm when one of the two cannot be read. */
export function transformXml(source: string, transform: { name: string; text: string }, msMax: number = transformMsMax): TransformedXml {
  if (Math.max(source.length, transform.text.length) > transformedCharactersMax)
    throw new NotOfThisForm(`it or ${transform.name} is longer than ${transformedCharactersMax} characters`);
  const context = vm.createContext({ work: () => apply(source, transform) });
  try {
    return vm.runInContext("work()", context, { timeout: msMax }) as TransformedXml;
  } catch (error) {
    if ((error as { code?: string }).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    throw new NotOfThisForm(`${transform.name} takes longer than ${msMax / 1000} s, and is given up`);
  }
}

/** An element of the transform, and how it is reached. */
interface Step {
  element: Element;
  above: Step | undefined;
  locator: Call | undefined;
}

/** `Match(name)` as an attribute says it. */
interface Call {
  name: string;
  argument: string;
}

/** Something about one element of the transform that is wrong; a sentence without its full stop. */
class StepFault extends Error {}

function apply(source: string, transform: { name: string; text: string }): TransformedXml {
  const places = createXmlPlaces();
  const document = readXml(source);
  places.remember(document.documentElement!, source);
  let plan: Document;
  try {
    plan = readXml(transform.text);
    places.remember(plan.documentElement!, transform.text);
  } catch (error) {
    if (error instanceof NotOfThisForm) throw new NotOfThisForm(`of ${transform.name}: ${error.message}`);
    throw error;
  }
  const said: Omit<TransformedXml, "text"> = { errors: [], warnings: [], notes: [] };
  let elements = 0;
  let changes = 0;

  const say = (kind: keyof typeof said, { element }: Step, sentence: string): void => {
    if (kind === "warnings" && /^\s*true\s*$/i.test(element.getAttributeNS(namespace, "SupressWarnings") ?? "")) return;
    const place = element.lineNumber === undefined ? transform.name : `${transform.name}, line ${element.lineNumber}`;
    if (said[kind].length < messagesMax) said[kind].push(`${place}: ${sentence}`);
  };

  const run = (step: Step, call: Call): void => {
    const work = transforms[call.name.toLowerCase()];
    if (work === undefined) throw new StepFault(`'${call.name}' is no transform that this server knows`);
    const done = work({
      step,
      argument: call.argument,
      document,
      places,
      warn: (sentence) => say("warnings", step, sentence),
      targets: () => targetsOf(step, document),
      parents: () => (step.above === undefined ? [document] : targetsOf(step.above, document)),
    });
    if (done === 0) return;
    changes += done;
    say("notes", step, `${call.name} at ${pathOf(step)}`);
  };

  const walk = (element: Element, above: Step | undefined): void => {
    if (++elements > transformElementsMax) throw new NotOfThisForm(`${transform.name} has more than ${transformElementsMax} elements`);
    const step: Step = { element, above, locator: undefined };
    if (element.namespaceURI === namespace) {
      say("errors", step, `${element.nodeName} is not supported: this server runs no code of other assemblies`);
      return;
    }
    try {
      step.locator = readCall(element, "Locator");
      const call = readCall(element, "Transform");
      if (call !== undefined) run(step, call);
    } catch (error) {
      if (!(error instanceof StepFault)) throw error;
      say("errors", step, error.message);
    }
    for (const child of childrenOf(element)) if (child.nodeType === elementNode) walk(child as Element, step);
  };
  walk(plan.documentElement!, undefined);
  return { text: changes === 0 ? source : places.write(source, document.documentElement!), ...said };
}

function readCall(element: Element, name: string): Call | undefined {
  const text = element.getAttributeNS(namespace, name)?.trim();
  if (text === undefined || text === "") return undefined;
  const [, word, argument] = /^([A-Za-z_][\w.]*)\s*(?:\(([\s\S]*)\))?$/.exec(text) ?? [];
  if (word === undefined) throw new StepFault(`xdt:${name}="${text}" is not of the form Name(argument)`);
  return { name: word, argument: argument?.trim() ?? "" };
}

// ---- which elements are meant

/** From the root on, each time anew: what a transform before has changed counts. */
function targetsOf(step: Step, document: Document): Element[] {
  const { locator, element } = step;
  const kind = locator?.name.toLowerCase() ?? "";
  if (kind === "xpath" && locator!.argument.startsWith("/")) return select(locator!.argument, document, element);
  const above: Node[] = step.above === undefined ? [document] : targetsOf(step.above, document);
  if (above.length === 0) return [];
  switch (kind) {
    case "":
      return above.flatMap((parent) => namesakes(parent, element));
    case "match":
      return above.flatMap((parent) => namesakes(parent, element)).filter(matching(step));
    case "condition":
      return found(above, `child::${nameTest(element)}[${argumentOf(locator!)}]`, element);
    case "xpath":
      return found(above, argumentOf(locator!), element);
    default:
      throw new StepFault(`'${locator!.name}' is no locator that this server knows`);
  }
}

function namesakes(parent: Node, { namespaceURI, localName }: Element): Element[] {
  return childrenOf(parent).filter((one): one is Element => {
    const other = one as Element;
    return one.nodeType === elementNode && other.localName === localName && (other.namespaceURI ?? "") === (namespaceURI ?? "");
  });
}

function matching({ element, locator }: Step): (other: Element) => boolean {
  const names = listOf(argumentOf(locator!));
  for (const name of names)
    if (!element.hasAttribute(name)) throw new StepFault(`${element.nodeName} has no attribute '${name}' that its locator could match`);
  return (other) => names.every((name) => other.hasAttribute(name) && other.getAttribute(name) === element.getAttribute(name));
}

function found(parents: readonly Node[], expression: string, at: Element): Element[] {
  return [...new Set(parents.flatMap((parent) => select(expression, parent, at)))];
}

function select(expression: string, from: Node, at: Element): Element[] {
  let answer: unknown;
  try {
    answer = xpath.useNamespaces(namespacesAt(at))(expression, from);
  } catch (error) {
    throw new StepFault(`'${expression}' is no expression that can be searched for: ${String((error as Error).message).split("\n")[0]}`);
  }
  if (!Array.isArray(answer)) throw new StepFault(`'${expression}' names no elements`);
  return (answer as Node[]).filter((node): node is Element => node.nodeType === elementNode);
}

/** Prefixes as they are meant at an element of the transform. */
function namespacesAt(element: Element): Record<string, string> {
  const prefixes: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let node: Node | null = element; node !== null && node.nodeType === elementNode; node = node.parentNode)
    for (const { prefix, localName, value, name } of Array.from((node as Element).attributes)) {
      if (prefix === "xmlns" && localName) prefixes[localName] ??= value;
      if (name === "xmlns") prefixes[defaultPrefix] ??= value;
    }
  return prefixes;
}

function nameTest({ prefix, localName, namespaceURI }: Element): string {
  if (prefix) return `${prefix}:${localName}`;
  return namespaceURI ? `${defaultPrefix}:${localName}` : String(localName);
}

function argumentOf({ name, argument }: Call): string {
  if (argument === "") throw new StepFault(`${name} needs something in parentheses`);
  return argument;
}

function listOf(text: string): string[] {
  return text
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

function pathOf({ element, above, locator }: Step): string {
  const parent = above === undefined ? "" : pathOf(above);
  const kind = locator?.name.toLowerCase();
  if (kind === "xpath") return locator!.argument.startsWith("/") ? locator!.argument : `${parent}/${locator!.argument}`;
  if (kind === "condition") return `${parent}/${element.nodeName}[${locator!.argument}]`;
  if (kind === "match")
    return `${parent}/${element.nodeName}[${listOf(locator!.argument)
      .map((name) => `@${name}='${element.getAttribute(name) ?? ""}'`)
      .join(" and ")}]`;
  return `${parent}/${element.nodeName}`;
}

// ---- what becomes of them

interface Work {
  step: Step;
  argument: string;
  document: Document;
  places: XmlPlaces;
  warn(sentence: string): void;
  targets(): Element[];
  parents(): Node[];
}

/** Answers how much it changed. Names of the language in small letters. */
const transforms: { readonly [name: string]: (work: Work) => number } = {
  replace(work) {
    const target = first(work);
    if (target === undefined) return 0;
    const copy = copyOf(work, target.parentNode!, indentOf(target));
    target.parentNode!.replaceChild(copy, target);
    return 1;
  },
  remove(work) {
    const target = first(work);
    if (target === undefined) return 0;
    remove(target, work.places);
    return 1;
  },
  removeall(work) {
    const targets = some(work);
    noArgument(work);
    for (const target of targets) remove(target, work.places);
    return targets.length;
  },
  insert(work) {
    noArgument(work);
    insert(parentOf(work), null, work);
    return 1;
  },
  insertifmissing(work) {
    noArgument(work);
    const parent = parentOf(work);
    if (work.targets().length > 0) return 0;
    insert(parent, null, work);
    return 1;
  },
  insertbefore(work) {
    const sibling = siblingOf(work);
    insert(sibling.parentNode!, sibling, work);
    return 1;
  },
  insertafter(work) {
    const sibling = siblingOf(work);
    insertAfter(sibling, work);
    return 1;
  },
  setattributes(work) {
    const { element } = work.step;
    const own = Array.from(element.attributes).filter((one) => one.namespaceURI !== namespace && one.namespaceURI !== declarations);
    const chosen = chosenOf(own, work);
    const targets = some(work);
    for (const target of targets)
      for (const { name, value, prefix, namespaceURI } of chosen) {
        if (prefix && namespaceURI) {
          declare(target, prefix, namespaceURI);
          target.setAttributeNS(namespaceURI, name, value);
        } else target.setAttribute(name, value);
      }
    return targets.length * chosen.length;
  },
  removeattributes(work) {
    let count = 0;
    for (const target of some(work)) {
      const own = Array.from(target.attributes).filter((one) => one.namespaceURI !== declarations);
      for (const one of chosenOf(own, work)) {
        target.removeAttributeNode(one);
        count += 1;
      }
    }
    return count;
  },
};

function noArgument({ argument, warn }: Work): void {
  if (argument !== "") warn(`its transform takes nothing in parentheses; '${argument}' is passed over`);
}

function some({ targets, step, warn }: Work): Element[] {
  const all = targets();
  if (all.length === 0) warn(`no element of the document is ${pathOf(step)}`);
  return all;
}

function first(work: Work): Element | undefined {
  const all = some(work);
  noArgument(work);
  if (all.length > 1) work.warn(`${all.length} elements are ${pathOf(work.step)}, of which only the first is meant`);
  return all[0];
}

function parentOf({ parents, step }: Work): Node {
  const [parent] = parents();
  if (step.above === undefined) throw new StepFault("a document has one outermost element; no other can be inserted beside it");
  if (parent === undefined) throw new StepFault(`no element of the document is ${pathOf(step.above)}, into which this is to be inserted`);
  return parent;
}

function siblingOf(work: Work): Element {
  const parent = parentOf(work);
  const expression = argumentOf({ name: "The transform", argument: work.argument });
  const [sibling] = select(expression, parent, work.step.element);
  if (sibling === undefined) throw new StepFault(`no element of the document is '${expression}', beside which this is to be inserted`);
  if (sibling.parentNode === null || sibling.parentNode.nodeType !== elementNode)
    throw new StepFault("a document has one outermost element; no other can be inserted beside it");
  return sibling;
}

function chosenOf(own: Attr[], { argument, warn }: Work): Attr[] {
  if (argument === "") return own;
  return listOf(argument).flatMap((name) => {
    const one = own.find((each) => each.name === name);
    if (one === undefined) warn(`'${name}' is none of the attributes`);
    return one ?? [];
  });
}

// ---- inserting and removing, with the blanks that people expect there

/** The blanks before a node that begins its line. */
function indentOf(node: Node): string | undefined {
  const before = node.previousSibling;
  return before?.nodeType === textNode ? /\n([ \t]*)$/.exec(before.nodeValue ?? "")?.[1] : undefined;
}

const isBlank = (node: Node | null): boolean => node !== null && node.nodeType === textNode && (node.nodeValue ?? "").trim() === "";

function insert(parent: Node, before: Element | null, work: Work): void {
  const { document } = work;
  const lineBreak = (indent: string): Node => document.createTextNode(`\n${indent}`);
  if (before !== null) {
    const indent = indentOf(before);
    parent.insertBefore(copyOf(work, parent, indent), before);
    if (indent !== undefined) parent.insertBefore(lineBreak(indent), before);
    return;
  }
  const own = indentOf(parent) ?? (parent === document.documentElement ? "" : undefined);
  const elements = childrenOf(parent).filter((one) => one.nodeType === elementNode);
  const hasText = childrenOf(parent).some((one) => one.nodeType !== elementNode && one.nodeType !== 8 && !isBlank(one));
  const ofSiblings = elements.map(indentOf).find((one) => one !== undefined);
  const indent = ofSiblings ?? (elements.length === 0 && !hasText && own !== undefined ? own + indentUnit : undefined);
  const copy = copyOf(work, parent, indent);
  if (indent === undefined) {
    parent.appendChild(copy);
    return;
  }
  const last = parent.lastChild;
  const isClosed = isBlank(last) && (last!.nodeValue ?? "").includes("\n");
  if (isBlank(last) && !isClosed) parent.removeChild(last!);
  parent.insertBefore(lineBreak(indent), isClosed ? last : null);
  parent.insertBefore(copy, isClosed ? last : null);
  if (!isClosed) parent.appendChild(lineBreak(own ?? ""));
}

function insertAfter(sibling: Element, work: Work): void {
  const indent = indentOf(sibling);
  const parent = sibling.parentNode!;
  const next = sibling.nextSibling;
  if (indent !== undefined) parent.insertBefore(work.document.createTextNode(`\n${indent}`), next);
  parent.insertBefore(copyOf(work, parent, indent), next);
}

/** With the line it stands in, if it begins one. */
function remove(target: Element, places: XmlPlaces): void {
  if (target.parentNode?.nodeType !== elementNode) throw new StepFault("the outermost element of a document cannot be removed");
  const before = target.previousSibling;
  if (before !== null && indentOf(target) !== undefined) {
    const rest = (before.nodeValue ?? "").replace(/\n[ \t]*$/, "");
    if (rest === "") before.parentNode!.removeChild(before);
    else {
      before.nodeValue = rest;
      places.forget(before);
    }
  }
  target.parentNode.removeChild(target);
}

/** The element of the transform, without the words of the language, to stand below `parent`. */
function copyOf({ step, document, places }: Work, parent: Node, indent: string | undefined): Element {
  const original = step.element;
  const copy = document.importNode(original, true) as Element;
  places.copy(original, copy);
  clean(copy);
  if (indent !== undefined) shift(copy, indentOf(original) ?? "", indent, places);
  const isMeant = (prefix: string | null, uri: string): boolean =>
    (parent.nodeType === elementNode ? ((parent as Element).lookupNamespaceURI(prefix) ?? "") : "") === uri;
  const used = new Map<string, string>();
  collectPrefixes(copy, original, used);
  for (const [prefix, uri] of used)
    if (!isMeant(prefix === "" ? null : prefix, uri)) {
      if (prefix === "") copy.setAttributeNS(declarations, "xmlns", uri);
      else declareAt(copy, prefix, uri);
    }
  return copy;
}

function clean(element: Element): void {
  for (const one of Array.from(element.attributes))
    if (one.namespaceURI === namespace || (one.namespaceURI === declarations && one.value === namespace)) element.removeAttributeNode(one);
  for (const child of childrenOf(element)) if (child.nodeType === elementNode) clean(child as Element);
}

function shift(element: Element, from: string, to: string, places: XmlPlaces): void {
  for (const child of childrenOf(element)) {
    if (child.nodeType === elementNode) shift(child as Element, from, to, places);
    const [, breaks, blanks] = child.nodeType === textNode ? (/^(\s*\n)([ \t]*)$/.exec(child.nodeValue ?? "") ?? []) : [];
    if (breaks === undefined || !blanks!.startsWith(from)) continue;
    child.nodeValue = `${breaks}${to}${blanks!.slice(from.length)}`;
    places.forget(child);
  }
}

/** Prefixes that the copy uses and does not declare itself, as they are meant in the transform. */
function collectPrefixes(copy: Element, original: Element, used: Map<string, string>): void {
  const isDeclared = (prefix: string): boolean => copy.hasAttribute(prefix === "" ? "xmlns" : `xmlns:${prefix}`);
  const walk = (element: Element): void => {
    const note = (prefix: string | null, uri: string | null): void => {
      const name = prefix ?? "";
      if (name === "xml" || name === "xmlns" || used.has(name) || isDeclared(name)) return;
      if ((original.lookupNamespaceURI(prefix) ?? "") === (uri ?? "")) used.set(name, uri ?? "");
    };
    note(element.prefix, element.namespaceURI);
    for (const { prefix, namespaceURI } of Array.from(element.attributes)) if (prefix) note(prefix, namespaceURI);
    for (const child of childrenOf(element)) if (child.nodeType === elementNode) walk(child as Element);
  };
  walk(copy);
}

function declare(element: Element, prefix: string, uri: string): void {
  if (element.lookupNamespaceURI(prefix) !== uri) declareAt(element, prefix, uri);
}

function declareAt(element: Element, prefix: string, uri: string): void {
  element.setAttributeNS(declarations, `xmlns:${prefix}`, uri);
}
