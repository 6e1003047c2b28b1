// Writes Octodiff deltas for tests, from new bytes and copies of the base. It looks for no differences itself.

import { createHash } from "node:crypto";

/** Bytes are new; a pair is [offset, length] in the base. `hashed` is the file the delta says it makes. */
export function makeDelta(hashed: Buffer, commands: readonly (Buffer | [number, number])[]): Buffer {
  const long = (value: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return bytes;
  };
  const parts = commands.flatMap((command) =>
    Buffer.isBuffer(command)
      ? [Buffer.from([0x80]), long(command.length), command]
      : [Buffer.from([0x60]), long(command[0]), long(command[1])],
  );
  const header = Buffer.from("OCTODELTA\x01\x04SHA1\x14\0\0\0", "latin1");
  return Buffer.concat([header, createHash("sha1").update(hashed).digest(), Buffer.from(">>>"), ...parts]);
}
