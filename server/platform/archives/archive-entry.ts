// What all archive readers give out, and how they refuse. An entry is as the archive tells it: whoever unpacks it judges its name and size.

/** The archive cannot be read, or not without danger. The message completes "… because". */
export class ArchiveRefused extends Error {
  constructor(why: string) {
    super(why);
    this.name = "ArchiveRefused";
  }
}

export interface ArchiveEntry {
  /** As the archive has it. */
  name: string;
  kind: "file" | "folder" | "symbolicLink" | "hardLink" | "other";
  isExecutable: boolean;
  /** Of the content, as the archive states it; more than these never come out. */
  bytes: number;
  /** Where a link leads, as the archive has it; empty for other kinds. */
  linkTarget: string;
  /** To be read before the next entry is asked for, or not at all. Throws ArchiveRefused. */
  content(): AsyncIterable<Uint8Array>;
}

/** A file that can be read at any place. */
export interface ReadableFile {
  bytes: number;
  read(from: number, to: number): Promise<Uint8Array>;
}

/** A name that may go into a message: short, and without control characters. */
export function shownName(name: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what must go
  return name.slice(0, 60).replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}
