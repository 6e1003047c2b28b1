// Frees the memory of bytes that nobody needs any more, instead of leaving that to the garbage collector: it looks through all of the heap each
// time that some tens of megabytes of such memory have come together, and large bodies keep it busy with little else.

/** Pieces from this size on have memory of their own; those of a large body that comes in are 64 KiB. */
const ownMemoryMin = 16 * 1024;

export function giveBack({ buffer, byteLength }: Buffer): void {
  // Small ones lie in memory that they share.
  if (buffer instanceof ArrayBuffer && byteLength >= ownMemoryMin && buffer.byteLength === byteLength) buffer.transfer(0);
}
