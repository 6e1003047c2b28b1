// Escaping of a text for the place it is written into: HTML, XML, JSON, YAML, Java properties.

const markup: { readonly [character: string]: string } = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

export const escapeXml = (text: string): string => text.replace(/[&<>"']/g, (character) => markup[character] ?? character);
export const escapeHtml = (text: string): string => escapeXml(text).replaceAll("/", "&#x2F;");

const controls: { readonly [character: string]: string } = { "\r": "\\r", "\n": "\\n", "\t": "\\t", "\\": "\\\\", '"': '\\"' };

export const escapeJson = (text: string): string => text.replace(/["\r\t\n\\]/g, (character) => controls[character] ?? character);

/** YAML folds one line break to a space and two to one: each run gets one more. */
export const escapeYamlSingleQuoted = (text: string): string =>
  text.replace(/(?:\r?\n)+/g, (breaks) => (breaks.startsWith("\r") ? "\r\n" : "\n") + breaks).replaceAll("'", "''");

const unicode = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

export const escapeYamlDoubleQuoted = (text: string): string =>
  text.replace(/[^\x20-\x7E]|["\\]/g, (character) => controls[character] ?? unicode(character));

const escapeProperties = (text: string): string =>
  text.replace(/[\\\r\n\t]|[\u00FF-\uFFFF]/g, (character) => controls[character] ?? unicode(character));

export const escapePropertiesKey = (text: string): string => escapeProperties(text).replace(/[ :=]/g, (character) => `\\${character}`);
export const escapePropertiesValue = (text: string): string => escapeProperties(text).replace(/^ /, "\\ ");
