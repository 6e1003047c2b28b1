// The forms in which programs print a value: what an escape, a quotation or an encoding makes of it. Pure.

/** A longer value is not looked for in forms that make it several times as long, which would take much memory. */
const widenedCharactersMax = 1_024;

/** The value as it stands inside other languages; some of the forms may be the value itself. */
export function escapedForms(value: string): string[] {
  const widening = value.length > widenedCharactersMax ? [] : [...hexForms(value), ...octalForms(value)];
  return [...jsonForms(value), ...urlForms(value), ...xmlForms(value), ...quotedForms(value), ...widening];
}

function jsonForms(value: string): string[] {
  const json = JSON.stringify(value).slice(1, -1);
  const ascii = value.replace(/[^A-Za-z0-9 !#$%()*,\-./:;=?@[\]^_{|}~]/g, (character) => jsonEscape(character));
  const plain = [json, json.replaceAll("/", "\\/"), ascii, ascii.replace(/\\u[0-9A-F]{4}/g, (code) => code.toLowerCase())];
  // A document inside a text of another one.
  return [...plain, JSON.stringify(json).slice(1, -1)];
}

function urlForms(value: string): string[] {
  const url = encodeURIComponent(value.toWellFormed());
  // encodeURIComponent leaves some characters that other encoders do not; some leave the slash, and some all that an address may hold.
  const strict = url.replace(/[!'()*~]/g, (character) => percent(character));
  const kept = [url, strict, url.replaceAll("%2F", "/"), strict.replaceAll("%2F", "/"), encodeURI(value.toWellFormed())];
  const forms = kept.flatMap((encoded) => [encoded, encoded.replaceAll("%20", "+")]);
  return [...forms, ...forms.map((encoded) => encoded.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())), url.replaceAll("%", "%25")];
}

function xmlForms(value: string): string[] {
  const xml = value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const quoted = xml.replaceAll('"', "&quot;");
  const numbered = xml.replaceAll('"', "&#34;").replaceAll("'", "&#39;");
  return [
    xml,
    quoted,
    quoted.replaceAll("'", "&apos;"),
    quoted.replaceAll("'", "&#39;"),
    quoted.replaceAll("'", "&#x27;"),
    numbered,
    numbered.replaceAll("+", "&#43;"),
    xml.replaceAll("\n", "&#10;"),
    xml.replaceAll("\n", "&#xA;"),
    quoted.replaceAll("\r", "&#xD;").replaceAll("\n", "&#xA;"),
  ];
}

/** Quotations of shells and of those who write for them; a doubled quotation mark is also what SQL and CSV make of it. */
function quotedForms(value: string): string[] {
  const backslashed = value.replace(/[\s'"\\|&;()<>!{}*[\]?^$`,]/g, (sign) => `\\${sign}`);
  return [
    value.replaceAll("'", "'\\''"),
    value.replaceAll("'", `'"'"'`),
    value.replaceAll("'", "''"),
    value.replaceAll('"', '""'),
    value.replace(/["\\$`]/g, (sign) => `\\${sign}`),
    backslashed,
    backslashed.replaceAll("\\,", ","),
    ansiQuoted(value),
  ];
}

function ansiQuoted(value: string): string {
  const short: { [character: string]: string } = { "\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'" };
  return value.replace(/[\n\t\r\\']/g, (character) => short[character]!).replaceAll("\u001b", "\\E");
}

function hexForms(value: string): string[] {
  const hex = Buffer.from(value, "utf8").toString("hex");
  const spaced = hex.replace(/..(?=.)/g, "$& ");
  return [hex, hex.toUpperCase(), spaced, spaced.toUpperCase(), hex.replace(/../g, "\\x$&")];
}

/** What shells without a UTF-8 locale make of letters outside ASCII. */
function octalForms(value: string): string[] {
  const octal = (text: string): string =>
    text.replace(/[\u0080-\uffff]+/g, (letters) => [...Buffer.from(letters, "utf8")].map((byte) => `\\${byte.toString(8)}`).join(""));
  return [octal(ansiQuoted(value)), octal(value)];
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function jsonEscape(character: string): string {
  const short = JSON.stringify(character).slice(1, -1);
  if (short.length === 2 && short !== '\\"') return short;
  return `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/**
 * The characters of base64 that the value alone decides, for its three possible offsets inside a longer encoded text; of its UTF-8, and of the
 * two-byte letters in which Windows encodes.
 */
export function base64Cores(value: string): string[] {
  const encodings: BufferEncoding[] = ["utf8", "utf16le"];
  return encodings.flatMap((encoding) => coresOf(Buffer.from(value, encoding)));
}

function coresOf(bytes: Buffer): string[] {
  const cores: string[] = [];
  for (let offset = 0; offset < 3; offset++) {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    const from = offset === 0 ? 0 : offset + 1;
    const wholeBits = (offset + bytes.length) * 8;
    const core = encoded.slice(from, Math.floor(wholeBits / 6));
    cores.push(core, core.replaceAll("+", "-").replaceAll("/", "_"), core.replaceAll("+", "%2B").replaceAll("/", "%2F"));
  }
  return cores;
}
