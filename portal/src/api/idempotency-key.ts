// A name for one wish of a person, so that asking again after a lost answer does not do it twice. Not crypto.randomUUID, which browsers
// only give to pages that came by HTTPS.

/** For a row that is made here and saved later: it is the same before and after. */
export function newRowId(): string {
  return newIdempotencyKey().replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export function newIdempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
