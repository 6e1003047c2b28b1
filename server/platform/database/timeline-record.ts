// The highest timeline of the database that this node has seen, in a file of its home, so that an old primary that comes back while the
// new one cannot be reached is not taken for the database after a restart of the node either.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Lineage, TimelineRecord } from "./database-hosts.ts";

/** An unreadable or damaged file counts as none: it fences less, and the next look at the database writes it again. */
export function openTimelineRecord(file: string, warn: (message: string) => void): TimelineRecord {
  let known = read(file);
  return {
    last: () => known,
    saw(lineage) {
      known = lineage;
      // A few bytes, and only after a promotion: not worth the order that asynchronous writes would need.
      try {
        const next = `${file}.new`;
        writeFileSync(next, `${JSON.stringify({ ...lineage, formatVersion: 1 })}\n`, { flush: true });
        renameSync(next, file);
      } catch (error) {
        warn(
          `${file} cannot be written (${(error as NodeJS.ErrnoException).code}); after a restart this node could take an old primary for the database.`,
        );
      }
    },
  };
}

function read(file: string): Lineage | undefined {
  try {
    const { systemIdentifier, timeline } = JSON.parse(readFileSync(file, "utf8")) as Partial<Lineage>;
    return typeof systemIdentifier === "string" && Number.isInteger(timeline) ? { systemIdentifier, timeline: timeline! } : undefined;
  } catch {
    return undefined;
  }
}
