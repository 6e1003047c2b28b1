// Finds many texts at once in a stream of characters, and says at any point how much of the stream's end may still be the beginning of
// one (Aho and Corasick's automaton). Transitions live in one flat hash table, so a few thousand texts cost some megabytes.

/** A text to look for. `breaks` are positions in it where it goes on in the next line; `widen` marks encodings whose ends are cut off. */
export interface Pattern {
  text: string;
  breaks: readonly number[];
  widen: boolean;
}

export interface Automaton {
  /** The state after one more character (a UTF-16 code unit). State 0 is the beginning. */
  next(state: number, unit: number): number;
  /** Length of the longest pattern that ends in this state, 0 for none. */
  matched(state: number): number;
  /** The same for patterns to widen. */
  matchedToWiden(state: number): number;
  /** How many of the last characters must be held back because they may begin a pattern that goes on in the next line. */
  held(state: number): number;
  /** The state that remains when only the last `length` characters have been seen. */
  shortened(state: number, length: number): number;
}

/** `heldMin`: fewer characters than this are held back only where the pattern itself has a line break. */
export function buildAutomaton(patterns: readonly Pattern[], heldMin: number): Automaton {
  const statesMax = patterns.reduce((sum, pattern) => sum + pattern.text.length, 1);
  const slots = 2 ** Math.ceil(Math.log2(Math.max(16, statesMax * 2)));
  const keyState = new Int32Array(slots).fill(-1);
  const keyUnit = new Uint16Array(slots);
  const target = new Int32Array(slots);
  const depth = new Int32Array(statesMax);
  const fallback = new Int32Array(statesMax);
  const plain = new Int32Array(statesMax);
  const widened = new Int32Array(statesMax);
  const hold = new Int32Array(statesMax);
  const hasChildren = new Uint8Array(statesMax);
  const breaksHere = new Uint8Array(statesMax);
  let states = 1;

  function slotOf(state: number, unit: number): number {
    let slot = (Math.imul(state, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & (slots - 1);
    while (keyState[slot] !== -1 && (keyState[slot] !== state || keyUnit[slot] !== unit)) slot = (slot + 1) & (slots - 1);
    return slot;
  }

  const order: { state: number; parent: number; unit: number }[] = [];
  for (const pattern of patterns) {
    let state = 0;
    for (let at = 0; at < pattern.text.length; at++) {
      if (at > 0 && pattern.breaks.includes(at)) breaksHere[state] = 1;
      const unit = pattern.text.charCodeAt(at);
      const slot = slotOf(state, unit);
      if (keyState[slot] === -1) {
        keyState[slot] = state;
        keyUnit[slot] = unit;
        target[slot] = states;
        depth[states] = at + 1;
        hasChildren[state] = 1;
        order.push({ state: states, parent: state, unit });
        states += 1;
      }
      state = target[slot]!;
    }
    const lengths = pattern.widen ? widened : plain;
    lengths[state] = pattern.text.length;
  }

  function next(state: number, unit: number): number {
    for (let from = state; ; from = fallback[from]!) {
      const slot = slotOf(from, unit);
      if (keyState[slot] !== -1) return target[slot]!;
      if (from === 0) return 0;
    }
  }

  // Breadth first, so that what a state falls back to is complete before it.
  order.sort((one, other) => depth[one.state]! - depth[other.state]!);
  for (const { state, parent, unit } of order) {
    fallback[state] = parent === 0 ? 0 : next(fallback[parent]!, unit);
    const back = fallback[state]!;
    plain[state] = Math.max(plain[state]!, plain[back]!);
    widened[state] = Math.max(widened[state]!, widened[back]!);
    const mustHold = hasChildren[state] === 1 && (depth[state]! >= heldMin || breaksHere[state] === 1);
    hold[state] = mustHold ? depth[state]! : hold[back]!;
  }

  return {
    next,
    matched: (state) => plain[state]!,
    matchedToWiden: (state) => widened[state]!,
    held: (state) => hold[state]!,
    shortened(state, length) {
      let rest = state;
      while (depth[rest]! > length) rest = fallback[rest]!;
      return rest;
    },
  };
}
