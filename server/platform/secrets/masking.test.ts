// Masking of sensitive values in streams of lines, with a seeded generator: what is masked, what is held back, and that a new masker at
// any border given out goes on in the same way.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { createMasker, prepareMasking, isTooShortToMask } from "./secrets.ts";

const mask = "********";

function maskAll(values: readonly string[], lines: readonly string[]): string[] {
  const masker = createMasker(values);
  return [...lines.flatMap((line) => masker.push(line)), ...masker.flush()];
}

/** Numbers from 0 up to, not including, `below`; the same for the same seed. */
function seededNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

test("a value is replaced wherever it stands in a line, and the rest of the line stays", () => {
  assert.deepEqual(maskAll(["hunter22"], ["user bob password hunter22!", "hunter22hunter22", "nothing here", ""]), [
    `user bob password ${mask}!`,
    mask,
    "nothing here",
    "",
  ]);
});

test("a value that begins with another, and values that overlap, leave no remainder", () => {
  assert.deepEqual(maskAll(["secret", "secretkey"], ["a secretkey b secret c"]), [`a ${mask} b ${mask} c`]);
  assert.deepEqual(maskAll(["abcdef", "defghi"], ["xabcdefghix"]), [`x${mask}x`]);
  assert.deepEqual(maskAll(["abcdefgh", "cdef"], ["abcdefx"]), [`ab${mask}x`], "one inside the beginning of another that does not come");
});

const key = "-----BEGIN KEY-----\nMIIBVgIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n";

test("a value of several lines is masked line by line, also with Windows line ends and when only one of its lines is shown", () => {
  assert.deepEqual(maskAll([key], ["before", ...key.trim().split("\n"), "after"]), ["before", mask, mask, mask, mask, "after"]);
  assert.deepEqual(maskAll([key.replaceAll("\n", "\r\n")], key.trim().split("\n")), [mask, mask, mask, mask]);
  assert.deepEqual(maskAll([key], ["part: hkiG9w0BAQEFAASC"]), [`part: ${mask}`]);
  assert.deepEqual(maskAll(["a1\nb2\nc3"], ["x a1", "b2", "c3 y", "a1", "z"]), [`x ${mask}`, mask, `${mask} y`, "a1", "z"]);
});

test("a value broken over two or more lines is masked in each of them", () => {
  assert.deepEqual(maskAll(["correct-horse-battery"], ["log: correct-ho", "rse-batt", "ery done"]), [`log: ${mask}`, mask, `${mask} done`]);
});

test("the escaped and encoded forms of a value are masked", () => {
  const value = `p<ä>"s's/w&o\\rd +=42`;
  const encodings: Record<string, string> = {
    json: JSON.stringify(value),
    "json with slashes escaped": JSON.stringify(value).replaceAll("/", "\\/"),
    xml: value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"),
    "xml attribute": value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;"),
    url: encodeURIComponent(value),
    form: new URLSearchParams({ v: value }).toString(),
    "url in lower case": encodeURIComponent(value).replace(/%../g, (code) => code.toLowerCase()),
    bash: `'${value.replaceAll("'", "'\\''")}'`,
    base64: Buffer.from(value).toString("base64"),
    "base64 for urls": Buffer.from(value).toString("base64url"),
    "base64 of a longer text": Buffer.from(`user:${value}@host`).toString("base64"),
    "base64 at offset 1": Buffer.from(`u${value}`).toString("base64"),
    "base64 at offset 2": Buffer.from(`u:${value}--`).toString("base64"),
  };
  for (const [name, text] of Object.entries(encodings)) {
    const [line] = maskAll([value], [`begin ${text} end`]);
    assert.ok(line!.startsWith("begin ") && line!.endsWith(" end") && line!.includes(mask), `${name}: ${line}`);
    // At most the frame that is not the value may be left: "v=", the quotes, the neighbours in longer base64 texts.
    assert.ok(line!.length <= "begin  end".length + mask.length + 12, `${name} leaves too much: ${line}`);
  }
});

/** What bash and the programs of every Linux print of a value in $V, or of one on their standard input. */
const printedForms: { [name: string]: string } = {
  "the value": 'printf %s "$V"',
  "printf %q": 'printf %q "$V"',
  "printf %q without a locale": 'LC_ALL=C; printf %q "$V"',
  "declare -p": "declare -p V",
  "set -x": '{ set -x; : "$V"; } 2>&1',
  "the Q operator": 'echo "${V@Q}"',
  "single quotes closed and opened": `q="'"; r="'\\''"; echo "'\${V//$q/$r}'"`,
  base64: 'printf %s "$V" | base64',
  "base64 without breaks": 'printf %s "$V" | base64 -w0',
  "base64 broken at 20": 'printf %s "$V" | base64 -w20',
  "base64 of user and password": 'printf %s "user:$V" | base64 -w0',
  "base64 of Windows' letters": 'printf %s "$V" | iconv -t UTF-16LE | base64 -w0',
  "od -tx1": 'printf %s "$V" | od -An -tx1',
  "od without spaces": `printf %s "$V" | od -An -v -tx1 | tr -d ' \n'`,
};

test("S3: what a shell prints of a value, quoted or encoded, broken over lines or not, does not show it", () => {
  const values = [
    "Tr0ub4dor&3",
    `p<ä>"s's/w&o\\rd +=42$(x)`,
    "first line of it\nsecond 'line' of it",
    "with a tab\tand {braces}, #signs!~",
    "long enough for lines of base64 and of hexadecimal numbers: 0123456789abcdefghijklmnopqrstuvwxyz",
  ];
  for (const value of values) {
    const masking = prepareMasking([value]);
    const names = Object.keys(printedForms);
    // One shell for all forms, each in a subshell: starting one takes longer than what it prints.
    const scripts = Object.values(printedForms).map((script) => `(\n${script}\n)\nprintf '\\036'`);
    const shell = spawnSync("/bin/bash", ["-c", scripts.join("\n")], { env: { PATH: process.env["PATH"], LC_ALL: "C.UTF-8", V: value } });
    const outputs = shell.stdout.toString("utf8").split("\u001e").slice(0, -1);
    assert.equal(outputs.length, names.length, shell.stderr.toString());
    for (const [n, output] of outputs.entries()) {
      const name = names[n]!;
      const lines = output.split("\n");
      const masker = masking.createMasker();
      const shown = [...lines.flatMap((line) => masker.push(line)), ...masker.flush()];
      const context = `${name} of ${JSON.stringify(value)}: ${JSON.stringify(lines)} became ${JSON.stringify(shown)}`;
      assert.ok(Buffer.byteLength(output) >= value.length, `${context} ${shell.stderr.toString()}`);
      // The frame may stay: names, quotes, the user in front of the password, the first and last spaces.
      const left = shown.join("").replaceAll(mask, "").replaceAll(/\s/g, "");
      assert.ok(left.length <= 16, context);
    }
  }
});

test("S3: the forms in which programs write a value into documents do not show it", () => {
  const value = `p<ä>"s's/w&o\\rd +=42`;
  const json = JSON.stringify(value);
  const url = encodeURIComponent(value);
  const forms: { [name: string]: string } = {
    "a document in a document": JSON.stringify(json),
    "an address": encodeURI(value),
    "an address with its slashes": url.replaceAll("%2F", "/"),
    "an address in an address": encodeURIComponent(url),
    "SQL, PowerShell": `'${value.replaceAll("'", "''")}'`,
    CSV: `"${value.replaceAll('"', '""')}"`,
    "shlex of Python": `'${value.replaceAll("'", `'"'"'`)}'`,
    "HTML by numbers": value
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&#34;")
      .replaceAll("'", "&#39;"),
    "hexadecimal bytes of C": Buffer.from(value).toString("hex").replace(/../g, "\\x$&"),
    "hexadecimal in capitals": Buffer.from(value).toString("hex").toUpperCase(),
    "base64 in an address": encodeURIComponent(Buffer.from(value).toString("base64")),
  };
  for (const [name, text] of Object.entries(forms)) {
    const [line] = maskAll([value], [`begin ${text} end`]);
    assert.ok(line!.length <= "begin  end".length + mask.length + 12, `${name} leaves too much: ${line}`);
  }
});

test("base64 wrapped at 76 characters is masked", () => {
  const value = "0123456789abcdefghijklmnopqrstuvwxyz".repeat(6);
  const wrapped = Buffer.from(value)
    .toString("base64")
    .match(/.{1,76}/g)!;
  assert.deepEqual(
    maskAll([value], wrapped),
    wrapped.map(() => mask),
  );
});

test("a line is held back only while a value may go on in the next one", () => {
  const masker = createMasker(["password-123", "ab\ncdef"]);
  assert.deepEqual(masker.push("an ordinary line"), ["an ordinary line"]);
  assert.deepEqual(masker.push("ends with pas"), ["ends with pas"]);
  assert.deepEqual(masker.push("ends with pass"), []);
  assert.deepEqual(masker.push("port: 80"), ["ends with pass", "port: 80"]);
  assert.deepEqual(masker.push("ends with ab"), []);
  assert.deepEqual(masker.push("cd"), []);
  assert.deepEqual(masker.flush(), ["ends with ab", "cd"]);
  assert.deepEqual(masker.push("password-123"), [mask]);
});

test("values shorter than three characters are not masked, and are named as such", () => {
  assert.ok(isTooShortToMask("ab") && isTooShortToMask("\na\n") && !isTooShortToMask("abc"));
  assert.deepEqual(maskAll(["ab", ""], ["abab"]), ["abab"]);
  assert.deepEqual(maskAll(["abc"], ["xabcx"]), [`x${mask}x`]);
});

test("random streams: no value survives in what is shown, every line comes out once, and a new masker at any border goes on the same", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const number = seededNumbers(seed);
    const alphabet = "ab-1"; // few characters, so that values begin, break off and overlap all the time
    const text = (length: number): string => Array.from({ length }, () => alphabet[number(alphabet.length)]!).join("");
    const values = Array.from({ length: 1 + number(3) }, () => {
      const plain = text(8 + number(8));
      return number(3) === 0 ? `${plain.slice(0, 5)}\n${plain.slice(5)}` : plain;
    });
    const lines: string[] = [];
    for (let count = 3 + number(12); count > 0; count--) {
      const value = values[number(values.length)]!;
      const choice = number(4);
      if (choice === 0) lines.push(text(number(12)));
      else if (choice === 1) lines.push(`${text(number(4))}${value}${text(number(4))}`);
      else if (choice === 2) lines.push(value.slice(0, 4 + number(4)));
      else {
        const cut = 1 + number(value.length - 1);
        lines.push(text(number(3)) + value.slice(0, cut), value.slice(cut) + text(number(3)));
      }
    }
    // What the agent sends are single lines.
    const stream = lines.flatMap((line) => line.split("\n"));
    const context = `seed ${seed}: ${JSON.stringify({ values, stream })}`;

    const masker = createMasker(values);
    const shown: string[] = [];
    const borders: number[] = [];
    for (const line of stream) {
      shown.push(...masker.push(line));
      borders.push(shown.length);
    }
    shown.push(...masker.flush());
    assert.equal(shown.length, stream.length, context);
    for (const value of values) {
      for (const line of value.split("\n")) {
        if (line.length >= 8) for (const one of shown) assert.ok(!one.includes(line), `${context} shows ${line} in ${one}`);
      }
      const inOneLine = value.replace("\n", "");
      for (const one of shown) assert.ok(!one.includes(inOneLine), `${context} shows ${inOneLine}`);
      for (let at = 0; at + 1 < shown.length; at++) {
        const left = shown[at]!;
        const found = left.concat(shown[at + 1]!).indexOf(inOneLine);
        assert.ok(found === -1 || left.length - found <= 3, `${context} shows ${inOneLine} over lines ${at} and ${at + 1}`);
      }
    }
    for (const border of new Set(borders)) {
      assert.deepEqual(maskAll(values, stream.slice(border)), shown.slice(border), `${context}: taken over at line ${border}`);
    }
  }
});

test("output that never stops beginning a value is bounded in memory and shows nothing of it", () => {
  const value = "a".repeat(40);
  const masker = createMasker([value]);
  let given = 0;
  let largestWait = 0;
  for (let pushed = 1; pushed <= 30_000; pushed++) {
    for (const line of masker.push("a".repeat(30))) {
      given += 1;
      assert.equal(line, mask);
    }
    largestWait = Math.max(largestWait, pushed - given);
  }
  assert.ok(largestWait <= 10_001, `${largestWait} lines were held back`);
});

test("a hundred values and a megabyte of output take less than two seconds", () => {
  const number = seededNumbers(7);
  const values = Array.from({ length: 100 }, (_, index) => `value-${index}-${number(1e9).toString(36)}-${number(1e9).toString(36)}`);
  const line = "2026-01-01T00:00:00Z info copying file value- from here to there, and so on, and so on, 12345";
  const startedMs = performance.now();
  const shown = maskAll(
    values,
    Array.from({ length: 11_000 }, () => line),
  );
  assert.equal(shown.at(-1), line);
  assert.ok(performance.now() - startedMs < 2_000);
});
