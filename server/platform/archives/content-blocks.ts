// Cuts a stream into blocks at places that its content decides, so that a change in the middle changes the blocks around it and no others.
// The rule must never change: what lies on targets was cut by it.

/** A cut never comes sooner, so that blocks stay worth their name and check. */
const blockBytesMin = 64 * 1024;
/** A block ends here at the latest; it is held in memory. */
export const blockBytesMax = 1024 * 1024;
/** A place is a cut when these upper bits of the rolling hash are zero: one in 2^18 bytes. */
const hashShift = 32 - 18;

/** A fixed number without pattern for each byte (Marsaglia's xorshift, seeded with the digits of pi). */
function gear(): Uint32Array {
  const table = new Uint32Array(256);
  let x = 314_159_265;
  for (let n = 0; n < table.length; n++) {
    for (let turn = 0; turn < 4; turn++) {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
    }
    table[n] = x;
  }
  return table;
}

/** The same bytes in blocks; each is good until the next is asked for. */
export async function* inBlocks(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const table = gear();
  const block = Buffer.allocUnsafe(blockBytesMax);
  let filled = 0;
  let hash = 0;
  for await (const piece of source) {
    let at = 0;
    while (at < piece.length) {
      const room = Math.min(piece.length - at, blockBytesMax - filled);
      const part = piece.subarray(at, at + room);
      let taken = part.length;
      let isCut = false;
      // Before the shortest length no cut counts, and the hash only knows the last 32 bytes: most of them need not be looked at.
      for (let n = Math.max(0, blockBytesMin - 32 - filled); n < part.length; n++) {
        hash = ((hash << 1) + table[part[n]!]!) | 0;
        if (hash >>> hashShift === 0 && filled + n + 1 >= blockBytesMin) {
          taken = n + 1;
          isCut = true;
          break;
        }
      }
      block.set(part.subarray(0, taken), filled);
      filled += taken;
      at += taken;
      if (!isCut && filled < blockBytesMax) continue;
      yield block.subarray(0, filled);
      filled = 0;
      hash = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}
