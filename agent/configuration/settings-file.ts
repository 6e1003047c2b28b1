// Reads and writes the settings file of an agent in the XML form that agents of this ecosystem share: keys with texts. Keys that this
// program does not know are kept as they are. It does not know what a key means.
import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** A real file has some kilobytes; the certificate is the largest part. */
const fileBytesMax = 1024 * 1024;
const head =
  '<?xml version="1.0" encoding="utf-8"?>\n<octopus-settings xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">\n';

/** A file that is no such settings file, in a sentence for the operator. */
export class SettingsFileError extends Error {}

/** The keys and their texts; undefined when there is no file. Throws SettingsFileError, or the system's error. */
export async function readSettingsFile(file: string): Promise<Map<string, string> | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (text.length > fileBytesMax) throw new SettingsFileError(`${file} is larger than ${fileBytesMax} bytes; it is no settings file.`);
  return parse(text, file);
}

/** Replaces the file at once and durably. It holds a private key: only its owner may read it. */
export async function writeSettingsFile(file: string, settings: ReadonlyMap<string, string>): Promise<void> {
  const lines = [...settings]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, text]) => `  <set key="${escape(key)}">${escape(text)}</set>\n`);
  const staging = `${file}.${randomBytes(4).toString("hex")}.new`;
  try {
    const handle = await open(staging, "wx", 0o600);
    try {
      await handle.writeFile(`${head}${lines.join("")}</octopus-settings>`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(staging, file);
    const folder = await open(dirname(file), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    await rm(staging, { force: true });
    throw error;
  }
}

/** The few forms of XML that such files have; anything else is refused rather than guessed at. */
function parse(text: string, file: string): Map<string, string> {
  const settings = new Map<string, string>();
  const body = text
    .replace(/^\uFEFF/, "")
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/^\s*<\?xml[^>]*\?>/, "")
    .trim();
  const root = /^<octopus-settings(?:\s[^>]*?)?(?:\/>|>([\s\S]*)<\/octopus-settings>)$/.exec(body);
  if (root === null || /<!/.test(body))
    throw new SettingsFileError(`${file} is not a settings file: its root element is not octopus-settings.`);
  const rest = (root[1] ?? "").replace(
    /<set\s+key\s*=\s*(?:"([^"<]*)"|'([^'<]*)')\s*(?:\/>|>([^<]*)<\/set>)/g,
    (_, double, single, value) => {
      settings.set(unescape(double ?? single), unescape(value ?? ""));
      return "";
    },
  );
  if (rest.trim() !== "") throw new SettingsFileError(`${file} holds something other than settings: ${rest.trim().slice(0, 60)}`);
  return settings;
}

function escape(text: string): string {
  return text.replace(/[&<>]/g, (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[character]!);
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos));/gi, (_, decimal, hex, name) =>
    name === undefined
      ? String.fromCodePoint(Math.min(decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal), 0x10ffff))
      : entities[name.toLowerCase()]!,
  );
}
