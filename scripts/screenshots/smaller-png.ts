// The same picture in fewer bytes: a browser packs its screenshots in a hurry. Nothing of the picture changes.
import { crc32, deflateSync, inflateSync } from "node:zlib";

const signatureBytes = 8;
/** Length and type before a chunk's content, its checksum behind. */
const headBytes = 8;
const tailBytes = 4;

function chunk(type: string, content: Buffer): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE(content.length);
  head.write(type, 4, "latin1");
  const tail = Buffer.alloc(tailBytes);
  tail.writeUInt32BE(crc32(content, crc32(head.subarray(4))));
  return Buffer.concat([head, content, tail]);
}

export function smallerPng(png: Buffer): Buffer {
  const before: Buffer[] = [png.subarray(0, signatureBytes)];
  const packed: Buffer[] = [];
  for (let at = signatureBytes; at < png.length;) {
    const end = at + headBytes + png.readUInt32BE(at) + tailBytes;
    const type = png.toString("latin1", at + 4, at + headBytes);
    if (type === "IDAT") packed.push(png.subarray(at + headBytes, end - tailBytes));
    else if (type !== "IEND") before.push(png.subarray(at, end));
    at = end;
  }
  const content = deflateSync(inflateSync(Buffer.concat(packed)), { level: 9, memLevel: 9 });
  const smaller = Buffer.concat([...before, chunk("IDAT", content), chunk("IEND", Buffer.alloc(0))]);
  return smaller.length < png.length ? smaller : png;
}
