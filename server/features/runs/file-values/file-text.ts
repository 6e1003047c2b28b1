// Files as text: which encoding a file has by its first bytes, and back again. What is neither UTF-8 nor marked as UTF-16 is taken byte by
// byte, so that bytes nobody touched come out as they went in.

export interface FileText {
  text: string;
  encoding: "utf8" | "utf16le" | "utf16be" | "latin1";
  /** The mark at the beginning. */
  bom: boolean;
}

/** The encodings that `Octopus.Action.SubstituteInFiles.OutputEncoding` may name. */
const named: Readonly<Record<string, Pick<FileText, "encoding" | "bom">>> = {
  "utf-8": { encoding: "utf8", bom: false },
  utf8: { encoding: "utf8", bom: false },
  "utf-16": { encoding: "utf16le", bom: true },
  "utf-16le": { encoding: "utf16le", bom: true },
  "utf-16be": { encoding: "utf16be", bom: true },
  "iso-8859-1": { encoding: "latin1", bom: false },
  "us-ascii": { encoding: "latin1", bom: false },
};

export function readFileText(bytes: Buffer): FileText {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return { text: bytes.toString("utf16le", 2), encoding: "utf16le", bom: true };
  if (bytes[0] === 0xfe && bytes[1] === 0xff)
    return { text: swapped(bytes.subarray(2)).toString("utf16le"), encoding: "utf16be", bom: true };
  const bom = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const plain = bom ? bytes.subarray(3) : bytes;
  const text = plain.toString("utf8");
  return Buffer.from(text, "utf8").equals(plain)
    ? { text, encoding: "utf8", bom }
    : { text: bytes.toString("latin1"), encoding: "latin1", bom: false };
}

/** `wanted` names another encoding; one that is not known changes nothing. */
export function writeFileText({ text, encoding, bom }: FileText, wanted?: string): Buffer {
  const to = named[wanted?.trim().toLowerCase() ?? ""] ?? { encoding, bom };
  const marked = to.bom ? `\ufeff${text}` : text;
  if (to.encoding === "utf16be") return swapped(Buffer.from(marked, "utf16le"));
  return Buffer.from(marked, to.encoding);
}

function swapped(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2))).swap16();
}
