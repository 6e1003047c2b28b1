// Small archives for tests, good ones and broken ones, made byte by byte so that a test can say what is wrong with them.

import { crc32, deflateRawSync, gzipSync } from "node:zlib";

export interface ZipEntry {
  name: string;
  content?: string | Buffer;
  /** Unix mode in the list of entries; 0o120777 makes a symbolic link. */
  mode?: number;
}

export function makeZip(entries: readonly ZipEntry[], options: { comment?: string; entriesStated?: number } = {}): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, content = "", mode = 0o100644 } of entries) {
    const nameBytes = Buffer.from(name, "utf8");
    const bytes = Buffer.from(content);
    const packed = deflateRawSync(bytes);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(0x800, 2); // names in UTF-8
    shared.writeUInt16LE(8, 4);
    shared.writeUInt16LE(0x21, 8); // 1 January 1980: strict programs refuse the zeroth month
    shared.writeUInt32LE(crc32(bytes), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(bytes.length, 18);
    shared.writeUInt16LE(nameBytes.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), shared, nameBytes, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(at, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02\x14\x03", "latin1"), shared, tail, nameBytes]));
    locals.push(local);
    at += local.length;
  }
  const list = Buffer.concat(directory);
  const comment = Buffer.from(options.comment ?? "");
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(options.entriesStated ?? entries.length, 8);
  end.writeUInt16LE(options.entriesStated ?? entries.length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...locals, list, end, comment]);
}

export function makeNupkg(id: string, version: string, about: { more?: string; files?: readonly ZipEntry[] } = {}): Buffer {
  const nuspec = `<?xml version="1.0" encoding="utf-8"?>
<package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd">
  <metadata><id>${id}</id><version>${version}</version><authors>Acme</authors><description>What ${id} is for</description>${about.more ?? ""}</metadata>
</package>`;
  return makeZip([{ name: `${id}.nuspec`, content: nuspec }, ...(about.files ?? [])]);
}

/** As text, since there is nothing but ASCII in it. */
export function makeTar(name: string, content: string): string {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000644\0", 100);
  header.write(`${Buffer.byteLength(content).toString(8).padStart(11, "0")}\0`, 124);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\0" + "00", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(Buffer.byteLength(content) / 512) * 512);
  body.write(content);
  return Buffer.concat([header, body, Buffer.alloc(1024)]).toString("latin1");
}

export function makeTarGz(name: string, content: string): Buffer {
  return gzipSync(Buffer.from(makeTar(name, content), "latin1"));
}
