// A name for one wish of a person, so that asking again after a lost answer does not do it twice. Not crypto.randomUUID, which browsers
// only give to pages that came by HTTPS.

export function newIdempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
