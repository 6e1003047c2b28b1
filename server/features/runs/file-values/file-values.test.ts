// Values in files, format by format: what is named changes and keeps its type, all else stays as it was written, and nothing that a file
// or a variable says reaches further than the file. Holds S5 as far as inputs of any kind end in a result or a sentence.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createVariables } from "@cuttle/templates";
import { FileNotFilled, fillFile } from "./file-values.ts";
import type { FileJobs } from "./file-values.ts";

const none: FileJobs = { substitute: false, dotNetSettings: false, structured: false };
async function fill(
  name: string,
  text: string | Buffer,
  values: Record<string, string>,
  jobs: Partial<FileJobs> = { structured: true },
): Promise<string> {
  const variables = createVariables(
    Object.entries(values).map(([key, value]) => ({ name: key, value })),
    { nowMs: 0 },
  );
  return (await fillFile(name, Buffer.from(text), { ...none, ...jobs }, variables)).bytes.toString("utf8");
}

test("placeholders in a text of any encoding; what has no value stays and is told", async () => {
  assert.equal(
    await fill("a.txt", "#{Name} and ##{Name}, #{unknown} #{", { Name: "Zoë" }, { substitute: true }),
    "Zoë and #{Name}, #{unknown} #{",
  );
  const variables = createVariables([{ name: "A", value: "ü" }], { nowMs: 0 });
  const jobs = { ...none, substitute: true };
  const wide = await fillFile("a.txt", Buffer.from("\ufeff#{A} #{b}", "utf16le"), jobs, variables);
  assert.equal(wide.bytes.toString("utf16le"), "\ufeffü #{b}");
  assert.match(wide.warnings[0]!, /a\.txt names #\{b\}, which has no value/);
  const odd = Buffer.from([0x23, 0x7b, 0x41, 0x7d, 0xff, 0x00, 0x80]);
  assert.deepEqual((await fillFile("a.bin", odd, jobs, variables)).bytes, Buffer.from([0xfc, 0xff, 0x00, 0x80]));
  assert.deepEqual((await fillFile("a.txt", Buffer.from("#{A}"), jobs, variables, "utf-16")).bytes, Buffer.from("\ufeffü", "utf16le"));
});

test("JSON: by path in any letter case, in the type that stood there, the rest untouched", async () => {
  const source = `{
  // what it listens on
  "Port":  80, "tls": false, "name": "a",
  "servers": [ { "host": "x" }, { "host": "y" } ], "limits": { "a": 1 }, "octopusThing": "keep",
  "nothing": null
}
`;
  const values = {
    port: "8080",
    TLS: "True",
    Name: 'say "hi"',
    "Servers:1:Host": "z",
    limits: '{"b": 2}',
    octopusThing: "no",
    nothing: "some",
  };
  assert.equal(
    await fill("a.json", source, values),
    source
      .replace("80", "8080")
      .replace("false", "true")
      .replace('"a",', '"say \\"hi\\"",')
      .replace('"y"', '"z"')
      .replace('{ "a": 1 }', '{"b": 2}')
      .replace("null", '"some"'),
  );
  assert.equal(await fill("a.json", '{"port":80}', { Port: "eighty" }), '{"port":"eighty"}');
  assert.equal(await fill("noextension", '{"a":{"b":"c"}}', { "a:b": "d" }), '{"a":{"b":"d"}}');
});

test("YAML: comments, several documents, lists, blocks and empty values", async () => {
  const source = `# the shop
name: shop # its name
port: 80
tls: no
items:
  - id: 1
  - id: 2
text: |
  many
  lines
empty:
map:
  a: 1
---
name: second
`;
  const values = { name: "other", port: "8080", "items:1:id": "9", text: "a: b", empty: "full", map: '{"b":2}' };
  assert.equal(
    await fill("a.yaml", source, values),
    `# the shop
name: other # its name
port: 8080
tls: no
items:
  - id: 1
  - id: 9
text: "a: b"
empty: full
map:
  {"b":2}
---
name: other
`,
  );
});

test("properties: keys in every spelling, values escaped", async () => {
  const source = "# c\na = 1\nb.c:2\nlong=x \\\n  y\nend 3\n\\u00e4=4\nkept=5";
  assert.equal(
    await fill("a.properties", source, { a: " ö\n\\", "b.c": "two", long: "short", end: "z", ä: "v" }),
    "# c\na = \\ \\u00f6\\n\\\\\nb.c:two\nlong=short\nend z\n\\u00e4=v\nkept=5",
  );
});

test("XML by XPath: texts, attributes, CDATA, fragments, prefixes", async () => {
  const source = `<?xml version="1.0"?>
<app xmlns:x="urn:x"><!-- c --><a>1</a><b k="v">2</b><c><![CDATA[<raw>]]></c><d><e>3</e></d><x:f>4</x:f></app>
`;
  const values = {
    "/app/a": "1 < 2",
    "//b/@k": "w",
    "/app/c": "<new>",
    "/app/d": "<g>5</g>t",
    "//x:f": "6",
    "/app/missing": "-",
    "/not[a path": "-",
  };
  assert.equal(
    await fill("a.xml", source, values),
    `<?xml version="1.0"?>
<app xmlns:x="urn:x"><!-- c --><a>1 &lt; 2</a><b k="w">2</b><c><![CDATA[<new>]]></c><d><g>5</g>t</d><x:f>6</x:f></app>
`,
  );
});

test(".NET settings: appSettings, connectionStrings, applicationSettings", async () => {
  const source = `<configuration>
  <connectionStrings><add name="Main" connectionString="old"/></connectionStrings>
  <appSettings><add key="Mode" value="debug"/><add key="Octopus.Mode" value="same"/></appSettings>
  <applicationSettings><My.Settings><setting name="Url" serializeAs="String"><value>old</value></setting></My.Settings></applicationSettings>
</configuration>`;
  const values = { main: "Server=1", Mode: "a&b", "Octopus.Mode": "no", Url: "http://x" };
  assert.equal(
    await fill("web.config", source, values, { dotNetSettings: true }),
    source
      .replace('connectionString="old"', 'connectionString="Server=1"')
      .replace('value="debug"', 'value="a&amp;b"')
      .replace("<value>old", "<value>http://x"),
  );
});

test("XML keeps its blanks, quotes and line breaks where no value was put", async () => {
  const source = `<?xml version='1.0'?>\r\n<configuration >\r\n  <appSettings>\r\n    <add  key='A'\r\n value='1' /><add key="B" value="2"   />\r\n  </appSettings>\r\n  <x />\r\n</configuration>\r\n`;
  assert.equal(await fill("web.config", source, { A: "it's" }, { dotNetSettings: true }), source.replace(`'1' />`, `'it&apos;s' />`));
  assert.equal(await fill("web.xml", source, { "//add[2]/@value": "3" }), source.replace(`"2"`, `"3"`));
});

test("S5: broken, hostile and huge files end in a sentence, and no name reaches a prototype", async () => {
  const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
  for (const [name, text] of [
    ["a.json", '{"a":'],
    ["a.json", deep],
    ["a.yaml", "a: [1, 2"],
    ["a.yml", deep],
    ["a.xml", "<a><b></a>"],
    ["a.xml", `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`],
  ] as const)
    await assert.rejects(fill(name, text, { a: "1" }), FileNotFilled, name);
  await assert.rejects(fill("a.txt", Buffer.alloc(9 * 1024 * 1024), {}, { substitute: true }), FileNotFilled);
  assert.equal(
    await fill("a.json", '{"__proto__":{"x":1},"constructor":{"prototype":{"x":1}}}', { "__proto__:x": "2" }),
    '{"__proto__":{"x":2},"constructor":{"prototype":{"x":1}}}',
  );
  assert.equal(await fill("a.yaml", "__proto__:\n  x: 1\n", { "__proto__:x": "2", toString: "no" }), "__proto__:\n  x: 2\n");
  assert.equal(({} as Record<string, unknown>)["x"], undefined);
});
