// The command that unpacks a package. Packages come from outside: names that lead elsewhere are refused, sizes are bounded.
import { createWriteStream, existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { type Command, CommandFailure, option } from "./command-line.ts";

const entriesMax = 500_000;
const extractedBytesMax = 64 * 1024 ** 3;
/** What the NuGet form adds to a package for itself. */
const ownParts = /^(_rels\/|package\/services\/metadata\/|\[Content_Types\]\.xml$)/i;

export const extractCommand: Command = {
  name: "extract",
  says: "Unpacks a package into a folder",
  options: [option("package", "The package"), option("destination", "The folder to put its files into")],
  async run(given, io) {
    const packageFile = given.text("package");
    const destination = given.text("destination");
    if (packageFile === undefined) throw new CommandFailure("Please specify the path to the package using --package=PATH");
    if (destination === undefined) throw new CommandFailure("Please specify the folder to extract to using --destination=PATH");
    const file = resolve(io.folder, packageFile);
    if (!existsSync(file)) throw new CommandFailure(`Package not found: ${packageFile}`);
    const count = await extract(file, resolve(io.folder, destination));
    io.say(`${count} files extracted`);
  },
};

/** Answers how many files there were. Throws CommandFailure. */
async function extract(file: string, folder: string): Promise<number> {
  // Loaded when it is needed: no other command reads archives.
  const { openPromise } = await import("yauzl");
  const isNuGet = /\.nupkg$/i.test(file);
  const archive = await openPromise(file, { lazyEntries: true, autoClose: false, strictFileNames: false }).catch((error: Error) => {
    throw new CommandFailure(`${file} is no package that can be read: ${error.message}`);
  });
  try {
    if (archive.entryCount > entriesMax) throw new CommandFailure(`${file} holds more than ${entriesMax} files.`);
    let files = 0;
    let bytes = 0;
    await mkdir(folder, { recursive: true });
    for await (const entry of archive.eachEntry()) {
      const name = isNuGet ? unescapeName(entry.fileName) : entry.fileName;
      if (isNuGet && ownParts.test(name)) continue;
      const target = resolve(folder, name);
      if (name.startsWith("/") || name.includes("\\") || name.includes("\0") || (target !== folder && !target.startsWith(folder + sep)))
        throw new CommandFailure(`${file} holds a file that would lie outside ${folder}: ${name}`);
      if (name.endsWith("/")) {
        await mkdir(target, { recursive: true });
        continue;
      }
      bytes += entry.uncompressedSize;
      if (bytes > extractedBytesMax) throw new CommandFailure(`${file} holds more than ${extractedBytesMax} bytes.`);
      await mkdir(dirname(target), { recursive: true });
      // The reader ends with an error when there are more bytes than the entry says, so the sum above holds.
      await pipeline(await archive.openReadStreamPromise(entry), createWriteStream(target));
      files += 1;
    }
    return files;
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure(`${file} could not be extracted: ${(error as Error).message}`);
  } finally {
    archive.close();
  }
}

function unescapeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
