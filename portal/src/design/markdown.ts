// Reads the part of Markdown that people write in instructions and notes: paragraphs, lists, headings, code, bold, emphasis and links to
// http(s). A newline stays a newline. Everything else, HTML first of all, is text. Each character is looked at a few times at most.

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "break" }
  | { kind: "code"; text: string }
  | { kind: "bold" | "emphasis"; parts: Inline[] }
  | { kind: "link"; href: string; parts: Inline[] };

export type Block =
  | { kind: "paragraph" | "heading"; parts: Inline[] }
  | { kind: "code"; text: string }
  | { kind: "list"; isOrdered: boolean; start: number; items: Block[][] };

/** Lists within lists; what is deeper is text. */
const depthMax = 5;
const fence = /^ {0,3}```[^`]*$/;
const heading = /^ {0,3}#{1,6}\s+(\S.*?)(?:\s+#+)?\s*$/;
const item = /^( {0,3})(?:([-*+])|(\d{1,9})[.)])( +)(?=\S)/;
const blank = /^\s*$/;

export function readMarkdown(text: string): Block[] {
  return readBlocks(text.replaceAll(/\r\n?/g, "\n").replaceAll("\t", "    ").split("\n"), 0);
}

function readBlocks(lines: readonly string[], depth: number): Block[] {
  const blocks: Block[] = [];
  let paragraph: string[] = [];
  const end = (): void => {
    if (paragraph.length > 0) blocks.push({ kind: "paragraph", parts: readInline(paragraph.map((line) => line.trim()).join("\n")) });
    paragraph = [];
  };
  for (let at = 0; at < lines.length;) {
    const line = lines[at]!;
    const title = heading.exec(line)?.[1];
    if (blank.test(line)) {
      end();
      at += 1;
    } else if (fence.test(line)) {
      end();
      let until = at + 1;
      while (until < lines.length && !/^ {0,3}```\s*$/.test(lines[until]!)) until += 1;
      blocks.push({ kind: "code", text: lines.slice(at + 1, until).join("\n") });
      at = until + 1;
    } else if (title !== undefined) {
      end();
      blocks.push({ kind: "heading", parts: readInline(title) });
      at += 1;
    } else if (depth < depthMax && item.test(line)) {
      end();
      const { list, next } = readList(lines, at, depth);
      blocks.push(list);
      at = next;
    } else {
      paragraph.push(line);
      at += 1;
    }
  }
  end();
  return blocks;
}

/** The list that begins in line `from`: items of one kind, and what is indented below them or follows without a blank line. */
function readList(lines: readonly string[], from: number, depth: number): { list: Block; next: number } {
  const [, , , number] = item.exec(lines[from]!)!;
  const isOrdered = number !== undefined;
  const items: Block[][] = [];
  let own: string[] = [];
  let indent = 0;
  let at = from;
  for (; at < lines.length; at += 1) {
    const line = lines[at]!;
    const found = item.exec(line);
    const spaces = line.length - line.trimStart().length;
    if (found !== null && (items.length + own.length === 0 || spaces < indent)) {
      if ((found[3] !== undefined) !== isOrdered) break;
      if (own.length > 0) items.push(readBlocks(own, depth + 1));
      indent = found[0].length;
      own = [line.slice(indent)];
    } else if (blank.test(line)) {
      own.push("");
    } else if (spaces >= 2 || (own.at(-1) !== "" && !heading.test(line) && !fence.test(line))) {
      own.push(line.slice(Math.min(spaces, indent)));
    } else break;
  }
  items.push(readBlocks(own, depth + 1));
  return { list: { kind: "list", isOrdered, start: Number(number ?? 1), items }, next: at };
}

const wordCharacter = /[\p{L}\p{N}]/u;
const escapable = /[\\`*_[\](){}#+\-.!<>]/;
/** As long as browsers take it; what is longer is no address. */
const addressCharactersMax = 2_000;
const address = new RegExp(`https?://[^\\s<>"\`]{1,${addressCharactersMax}}`, "iy");

function readInline(text: string, inside: ReadonlySet<"bold" | "emphasis" | "link"> = new Set()): Inline[] {
  const parts: Inline[] = [];
  let plain = "";
  const push = (part: Inline): void => {
    if (plain !== "") parts.push({ kind: "text", text: plain });
    plain = "";
    parts.push(part);
  };
  /** What was looked for to the end and is not there is not looked for again. */
  const missing = new Set<string>();
  const find = (mark: string, from: number): number => {
    if (missing.has(mark)) return -1;
    const found = text.indexOf(mark, from);
    if (found === -1) missing.add(mark);
    return found;
  };
  for (let at = 0; at < text.length;) {
    const character = text[at]!;
    if (character === "\n") {
      push({ kind: "break" });
      at += 1;
      continue;
    }
    if (character === "\\" && escapable.test(text[at + 1] ?? "")) {
      plain += text[at + 1]!;
      at += 2;
      continue;
    }
    if (character === "`") {
      const end = find("`", at + 1);
      if (end > at + 1) {
        push({ kind: "code", text: text.slice(at + 1, end).replaceAll("\n", " ") });
        at = end + 1;
        continue;
      }
    }
    if (character === "*") {
      const mark = text.startsWith("**", at) ? "**" : "*";
      const kind = mark === "**" ? "bold" : "emphasis";
      const begins = at + mark.length;
      const end = inside.has(kind) || /\s/.test(text[begins] ?? " ") ? -1 : find(mark, begins + 1);
      if (end !== -1 && !/\s/.test(text[end - 1]!)) {
        push({ kind, parts: readInline(text.slice(begins, end), new Set([...inside, kind])) });
        at = end + mark.length;
        continue;
      }
      // Both stars of a pair that is none are text.
      plain += mark;
      at = begins;
      continue;
    }
    if (character === "[" && !inside.has("link")) {
      const middle = find("](", at + 1);
      const end = middle === -1 ? -1 : find(")", middle + 2);
      const href =
        end === -1 || end - middle > addressCharactersMax
          ? undefined
          : safeAddress(
              text
                .slice(middle + 2, end)
                .trim()
                .split(/\s/, 1)[0]!,
            );
      if (href !== undefined && middle > at + 1) {
        push({ kind: "link", href, parts: readInline(text.slice(at + 1, middle), new Set([...inside, "link" as const])) });
        at = end + 1;
        continue;
      }
    }
    if ((character === "h" || character === "H") && !inside.has("link") && !wordCharacter.test(text[at - 1] ?? " ")) {
      address.lastIndex = at;
      // What ends the sentence, or closes what the address stands in, is no part of it.
      const written = address.exec(text)?.[0].replace(/[.,;:!?'*)\]}]{1,50}$/, "") ?? "";
      const href = safeAddress(written);
      if (href !== undefined) {
        push({ kind: "link", href, parts: [{ kind: "text", text: written }] });
        at += written.length;
        continue;
      }
    }
    plain += character;
    at += 1;
  }
  if (plain !== "") parts.push({ kind: "text", text: plain });
  return parts;
}

/** Only what opens another page: no scripts, no addresses without a host. */
function safeAddress(text: string): string | undefined {
  const url = /^https?:\/\/[^\s]/i.test(text) ? URL.parse(text) : null;
  return url !== null && (url.protocol === "https:" || url.protocol === "http:") ? url.href : undefined;
}
