// The names of variables as a tree by their parts, in which `Octopus.Action[Web].Name` is found step by step and a loop finds the indexes of a name.
// The tree holds places, not values: one tree serves all steps and targets of a deployment. Maps throughout: no name reaches a prototype.
import { parseName } from "./parse-template.ts";
import { keyOf } from "./syntax.ts";

/** A value and what is known of it. Never changed, so that many places can share it. */
export interface Entry {
  /** The name as it was given. */
  name: string;
  text: string;
  sensitive: boolean;
  /** Has its placeholders already replaced: items of a loop, parts of JSON. */
  finished: boolean;
}

export interface TreeNode {
  /** Where in the list of values this name's value is; undefined for parts that are no name by themselves. */
  slot: number | undefined;
  /** The value itself, in the small trees of loops. */
  entry: Entry | undefined;
  /** What stands in the brackets, for a node that is an index. */
  index: string | undefined;
  names: Map<string, TreeNode> | undefined;
  indexes: Map<string, TreeNode> | undefined;
}

export const createNode = (entry?: Entry): TreeNode => ({ slot: undefined, entry, index: undefined, names: undefined, indexes: undefined });

export class NameTree {
  readonly root = createNode();
  readonly #slots = new Map<string, number>();

  get size(): number {
    return this.#slots.size;
  }

  /** Undefined for a name that is not in the tree. */
  find(name: string): number | undefined {
    return this.#slots.get(keyOf(name));
  }

  /** The slot of a name; puts it into the tree if need be. A name that no template could write has a slot but no place. */
  slotOf(name: string): number {
    const key = keyOf(name);
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot = this.#slots.size;
    this.#slots.set(key, slot);
    const steps = parseName(name) ?? [];
    let node = this.root;
    for (const step of steps) {
      if (step.kind === "indexBy") return slot;
      const children = step.kind === "name" ? (node.names ??= new Map<string, TreeNode>()) : (node.indexes ??= new Map<string, TreeNode>());
      let child = children.get(step.key);
      if (child === undefined) {
        child = createNode();
        if (step.kind === "index") child.index = step.text;
        children.set(step.key, child);
      }
      node = child;
    }
    if (steps.length > 0) node.slot = slot;
    return slot;
  }
}
