// Variables as a tree by the parts of their names, in which `Octopus.Action[Web].Name` is found step by step and a loop finds the indexes of a name.
// Maps throughout: no name reaches a prototype.
import { parseName } from "./parse-template.ts";

/** A value and what is known of it. */
export interface Entry {
  /** The name as it was given. */
  name: string;
  text: string;
  sensitive: boolean;
  /** Has its placeholders already replaced: items of a loop, parts of JSON. */
  finished: boolean;
  state: "untouched" | "evaluating" | "evaluated";
  evaluated: Evaluated | undefined;
}

export interface Evaluated {
  /** Undefined where the value is undefined by a Null filter. */
  text: string | undefined;
  sensitive: boolean;
  unresolved: readonly string[];
}

export interface TreeNode {
  entry: Entry | undefined;
  /** For a node that is an index of a loop: what stands in the brackets. */
  index: string | undefined;
  names: Map<string, TreeNode> | undefined;
  indexes: Map<string, TreeNode> | undefined;
}

export const createEntry = (name: string, text: string, sensitive: boolean, finished: boolean): Entry => ({
  name,
  text,
  sensitive,
  finished,
  state: "untouched",
  evaluated: undefined,
});

export const createNode = (entry?: Entry): TreeNode => ({ entry, index: undefined, names: undefined, indexes: undefined });

/** Puts a value into the tree. A name that no template could write is not in it. */
export function addEntry(root: TreeNode, entry: Entry): void {
  const steps = parseName(entry.name);
  if (steps === null) return;
  let node = root;
  for (const step of steps) {
    if (step.kind === "indexBy") return;
    const children = step.kind === "name" ? (node.names ??= new Map<string, TreeNode>()) : (node.indexes ??= new Map<string, TreeNode>());
    let child = children.get(step.key);
    if (child === undefined) {
      child = createNode();
      if (step.kind === "index") child.index = step.text;
      children.set(step.key, child);
    }
    node = child;
  }
  node.entry = entry;
}
