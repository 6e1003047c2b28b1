// Writes tars that every tar reads, and that depend on nothing but their entries: no times, no owners. Long names travel in the form
// that GNU introduced and others read too.

const blockBytes = 512;
const nameBytesMax = 100;
/** A larger size does not fit into its field as octal digits. */
const octalSizeMax = 0o77777777777;

export interface TarEntry {
  name: string;
  kind: "file" | "folder" | "symbolicLink" | "hardLink";
  isExecutable: boolean;
  bytes: number;
  linkTarget: string;
}

/** What stands before the content of an entry. */
export function tarHeader(entry: TarEntry): Buffer {
  const name = entry.kind === "folder" && !entry.name.endsWith("/") ? `${entry.name}/` : entry.name;
  return Buffer.concat([...longName("L", name), ...longName("K", entry.linkTarget), header({ ...entry, name })]);
}

/** What fills up the last block of a content. */
export function paddingOf(bytes: number): Buffer {
  return Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes);
}

export function endOfTar(): Buffer {
  return Buffer.alloc(2 * blockBytes);
}

/** Length of a tar of files with short names and these lengths. */
export function tarredBytes(lengths: readonly number[]): number {
  return lengths.reduce((sum, bytes) => sum + blockBytes + bytes + paddingOf(bytes).length, endOfTar().length);
}

function longName(flag: "L" | "K", name: string): Buffer[] {
  const bytes = Buffer.from(`${name}\0`, "utf8");
  if (bytes.length - 1 <= nameBytesMax) return [];
  return [
    ustar({ name: Buffer.from("././@LongLink"), mode: 0, size: bytes.length, flag, target: Buffer.alloc(0) }),
    bytes,
    paddingOf(bytes.length),
  ];
}

function header(entry: TarEntry): Buffer {
  const flags = { file: "0", hardLink: "1", symbolicLink: "2", folder: "5" } as const;
  return ustar({
    name: Buffer.from(entry.name, "utf8").subarray(0, nameBytesMax),
    mode: entry.kind === "folder" || entry.isExecutable ? 0o755 : entry.kind === "symbolicLink" ? 0o777 : 0o644,
    size: entry.kind === "file" ? entry.bytes : 0,
    flag: flags[entry.kind],
    target: Buffer.from(entry.linkTarget, "utf8").subarray(0, nameBytesMax),
  });
}

function ustar(of: { name: Buffer; mode: number; size: number; flag: string; target: Buffer }): Buffer {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, digits: number): number =>
    block.write(`${value.toString(8).padStart(digits, "0")}\0`, at, "latin1");
  of.name.copy(block, 0);
  octal(of.mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  if (of.size <= octalSizeMax) octal(of.size, 124, 11);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(of.size), 128);
  }
  octal(0, 136, 11);
  block.write(" ".repeat(8), 148, "latin1");
  block.write(of.flag, 156, "latin1");
  of.target.copy(block, 157);
  block.write("ustar  \0", 257, "latin1");
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
