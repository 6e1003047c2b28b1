// Archives, read and written as streams with little memory: zip, tar and the blocks that a tar is cut into for transfer.

export { ArchiveRefused, shownName } from "./archive-entry.ts";
export type { ArchiveEntry, ReadableFile } from "./archive-entry.ts";
export { inBlocks, blockBytesMax } from "./content-blocks.ts";
export { readTar } from "./tar-reader.ts";
export { endOfTar, paddingOf, tarHeader, tarredBytes } from "./tar-writer.ts";
export { listZip, readZip, readZipEntry } from "./zip-reader.ts";
export type { ZipListEntry } from "./zip-reader.ts";
