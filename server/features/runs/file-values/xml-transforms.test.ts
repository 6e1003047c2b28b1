// Transforms of XML (XDT): a table of cases for each word of the language, what stays as it was written, what is said, and what is bounded.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { NotOfThisForm } from "./text-edits.ts";
import { transformXml } from "./xml-transforms.ts";

const xdt = `xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform"`;
const source = `<?xml version="1.0" encoding="utf-8"?>
<!-- the shop's -->
<configuration>
  <appSettings>
    <add key="Mode"   value='debug' />
    <add key="Url" value="http://localhost/?a=1&amp;b=2"/>
  </appSettings>
  <system.web>
    <compilation debug="true" targetFramework="4.8"
                 batch="false" />
    <authorization>
      <allow users="admin" />
      <deny users="*" />
    </authorization>
  </system.web>
</configuration>
`;

/** The part of the source that changes, and what becomes of it. */
interface Case {
  name: string;
  transform: string;
  from?: string;
  to?: string;
  warnings?: RegExp[];
  errors?: RegExp[];
}

const run = (body: string, text = source): ReturnType<typeof transformXml> =>
  transformXml(text, { name: "Web.Test.config", text: `<configuration ${xdt}>${body}</configuration>` });

const web = (body: string): string => `<system.web>${body}</system.web>`;
const settings = (body: string): string => `<appSettings>${body}</appSettings>`;
const authorization = (body: string): string => web(`<authorization>${body}</authorization>`);
const mode = `    <add key="Mode"   value='debug' />\n`;
const url = `    <add key="Url" value="http://localhost/?a=1&amp;b=2"/>\n`;
const allow = `      <allow users="admin" />\n`;
const deny = `      <deny users="*" />\n`;

const cases: { [transform: string]: Case[] } = {
  Replace: [
    {
      name: "an element with another one",
      transform: web(`<compilation debug="false" xdt:Transform="Replace"/>`),
      from: `<compilation debug="true" targetFramework="4.8"\n                 batch="false" />`,
      to: `<compilation debug="false"/>`,
    },
    {
      name: "found by Match",
      transform: settings(`<add key="Mode" value="release" xdt:Transform="Replace" xdt:Locator="Match(key)" />`),
      from: mode,
      to: `    <add key="Mode" value="release" />\n`,
    },
    {
      name: "with all that is in it, at the place's own indentation",
      transform: `
<system.web>
<authorization xdt:Transform="Replace">
  <allow users="*" />
</authorization>
</system.web>`,
      from: `<authorization>\n${allow}${deny}    </authorization>`,
      to: `<authorization>\n      <allow users="*" />\n    </authorization>`,
    },
    {
      name: "of several only the first, and says so",
      transform: settings(`<add key="New" value="1" xdt:Transform="Replace" />`),
      from: mode,
      to: `    <add key="New" value="1" />\n`,
      warnings: [/2 elements are \/configuration\/appSettings\/add, of which only the first is meant/],
    },
    {
      name: "nothing where there is no such element",
      transform: settings(`<add key="Other" value="1" xdt:Transform="Replace" xdt:Locator="Match(key)" />`),
      warnings: [/no element of the document is \/configuration\/appSettings\/add\[@key='Other'\]/],
    },
    {
      name: "nothing to say where that is not wanted",
      transform: settings(`<add key="Other" xdt:Transform="Replace" xdt:Locator="Match(key)" xdt:SupressWarnings="true" />`),
      warnings: [],
    },
  ],
  Insert: [
    {
      name: "as the last child",
      transform: settings(`<add key="New" value="1" xdt:Transform="Insert" />`),
      from: url,
      to: `${url}    <add key="New" value="1" />\n`,
    },
    {
      name: "into an empty element",
      transform: web(`<compilation><assemblies xdt:Transform="Insert"><add name="x"/></assemblies></compilation>`),
      from: `batch="false" />`,
      to: `batch="false">\n      <assemblies><add name="x"/></assemblies>\n    </compilation>`,
    },
    {
      name: "not where its parent is missing",
      transform: `<missing><add xdt:Transform="Insert" /></missing>`,
      errors: [/no element of the document is \/configuration\/missing, into which this is to be inserted/],
    },
    {
      name: "and an argument is passed over",
      transform: settings(`<add key="New" xdt:Transform="Insert(x)" />`),
      from: url,
      to: `${url}    <add key="New" />\n`,
      warnings: [/'x' is passed over/],
    },
  ],
  InsertIfMissing: [
    { name: "not what is there", transform: settings(`<add key="Mode" xdt:Transform="InsertIfMissing" xdt:Locator="Match(key)" />`) },
    {
      name: "what is not",
      transform: settings(`<add key="New" xdt:Transform="InsertIfMissing" xdt:Locator="Match(key)" />`),
      from: url,
      to: `${url}    <add key="New" />\n`,
    },
  ],
  InsertBefore: [
    {
      name: "an element named from the root",
      transform: authorization(
        `<allow users="ops" xdt:Transform="InsertBefore(/configuration/system.web/authorization/deny[@users='*'])" />`,
      ),
      from: deny,
      to: `      <allow users="ops" />\n${deny}`,
    },
    {
      name: "an element named from the parent",
      transform: authorization(`<allow users="ops" xdt:Transform="InsertBefore(allow)" />`),
      from: allow,
      to: `      <allow users="ops" />\n${allow}`,
    },
    {
      name: "not where there is none",
      transform: authorization(`<allow users="ops" xdt:Transform="InsertBefore(nobody)" />`),
      errors: [/no element of the document is 'nobody'/],
    },
    {
      name: "not without a name",
      transform: authorization(`<allow users="ops" xdt:Transform="InsertBefore" />`),
      errors: [/needs something in parentheses/],
    },
  ],
  InsertAfter: [
    {
      name: "an element",
      transform: authorization(`<allow users="ops" xdt:Transform="InsertAfter(/configuration/system.web/authorization/allow)" />`),
      from: allow,
      to: `${allow}      <allow users="ops" />\n`,
    },
    {
      name: "not beside the outermost",
      transform: authorization(`<allow users="ops" xdt:Transform="InsertAfter(/configuration)" />`),
      errors: [/one outermost element/],
    },
  ],
  Remove: [
    {
      name: "the element and its line",
      transform: authorization(`<allow xdt:Transform="Remove" />`),
      from: allow,
      to: "",
    },
    {
      name: "of several only the first",
      transform: settings(`<add xdt:Transform="Remove" />`),
      from: mode,
      to: "",
      warnings: [/only the first/],
    },
  ],
  RemoveAll: [
    { name: "all of them", transform: settings(`<add xdt:Transform="RemoveAll" />`), from: mode + url, to: "" },
    {
      name: "none is worth a warning",
      transform: settings(`<remove xdt:Transform="RemoveAll" />`),
      warnings: [/no element of the document is/],
    },
  ],
  RemoveAttributes: [
    {
      name: "those that are named",
      transform: web(`<compilation xdt:Transform="RemoveAttributes(debug, batch)" />`),
      from: ` debug="true" targetFramework="4.8"\n                 batch="false"`,
      to: ` targetFramework="4.8"`,
    },
    {
      name: "all of them",
      transform: web(`<compilation xdt:Transform="RemoveAttributes" />`),
      from: `<compilation debug="true" targetFramework="4.8"\n                 batch="false" />`,
      to: "<compilation />",
    },
    {
      name: "and says which are not there",
      transform: web(`<compilation xdt:Transform="RemoveAttributes(strict)" />`),
      warnings: [/'strict' is none of the attributes/],
    },
  ],
  SetAttributes: [
    {
      name: "all that the transform has, of every element",
      transform: settings(`<add value="&lt;&quot;'x" more="1" xdt:Transform="SetAttributes" />`),
      from: mode + url,
      to: `    <add key="Mode"   value='&lt;"&apos;x' more="1" />\n    <add key="Url" value="&lt;&quot;'x" more="1"/>\n`,
    },
    {
      name: "only those that are named",
      transform: settings(`<add key="Url" value="x" more="1" xdt:Locator="Match(key)" xdt:Transform="SetAttributes(value)" />`),
      from: url,
      to: `    <add key="Url" value="x"/>\n`,
    },
    {
      name: "and says which the transform lacks",
      transform: web(`<compilation debug="false" xdt:Transform="SetAttributes(strict)" />`),
      warnings: [/'strict' is none of the attributes/],
    },
  ],
  Match: [
    {
      name: "by several attributes",
      transform: authorization(`<deny users="*" xdt:Locator="Match(users)" verbs="GET" xdt:Transform="SetAttributes(verbs)" />`),
      from: deny,
      to: `      <deny users="*" verbs="GET" />\n`,
    },
    {
      name: "not by one that the transform lacks",
      transform: settings(`<add xdt:Locator="Match(key)" xdt:Transform="Remove" />`),
      errors: [/add has no attribute 'key' that its locator could match/],
    },
  ],
  Condition: [
    {
      name: "an expression about the element",
      transform: settings(`<add value="x" xdt:Locator="Condition(@key='Url' or @value='never')" xdt:Transform="SetAttributes" />`),
      from: url,
      to: `    <add key="Url" value="x"/>\n`,
    },
    {
      name: "a place among its siblings",
      transform: settings(`<add xdt:Locator="Condition(2)" xdt:Transform="Remove" />`),
      from: url,
      to: "",
    },
    {
      name: "not what is no expression",
      transform: settings(`<add xdt:Locator="Condition(@key=)" xdt:Transform="Remove" />`),
      errors: [/is no expression that can be searched for/],
    },
  ],
  XPath: [
    {
      name: "from the root, wherever it stands in the transform",
      transform: `<anything><x users="all" xdt:Locator="XPath(/configuration/system.web//deny)" xdt:Transform="SetAttributes" /></anything>`,
      from: deny,
      to: `      <deny users="all" />\n`,
    },
    {
      name: "from the parent",
      transform: `<system.web><x users="all" xdt:Locator="XPath(authorization/deny)" xdt:Transform="SetAttributes" /></system.web>`,
      from: deny,
      to: `      <deny users="all" />\n`,
    },
    {
      name: "on the way to what is meant",
      transform: `<x xdt:Locator="XPath(/configuration/system.web)"><compilation xdt:Transform="RemoveAttributes(debug)" /></x>`,
      from: ` debug="true"`,
      to: "",
    },
    {
      name: "names elements, not numbers",
      transform: `<x xdt:Locator="XPath(count(//add))" xdt:Transform="Remove" />`,
      errors: [/names no elements/],
    },
  ],
  "what is no word of the language": [
    { name: "a transform", transform: settings(`<add xdt:Transform="Encrypt" />`), errors: [/'Encrypt' is no transform/] },
    { name: "a locator", transform: settings(`<add xdt:Locator="Near(key)" xdt:Transform="Remove" />`), errors: [/'Near' is no locator/] },
    { name: "a form", transform: settings(`<add xdt:Transform="Remove(" />`), errors: [/is not of the form/] },
    { name: "code", transform: `<xdt:Import assembly="x" namespace="y" />`, errors: [/runs no code of other assemblies/] },
  ],
};

for (const [transform, each] of Object.entries(cases))
  describe(`XDT ${transform}`, () => {
    for (const one of each)
      test(one.name, () => {
        const result = run(one.transform);
        if (one.from !== undefined) assert.ok(source.includes(one.from), "the case names what is in the source");
        assert.equal(result.text, one.from === undefined ? source : source.replace(one.from, () => one.to!));
        for (const [said, wanted] of [
          [result.warnings, one.warnings ?? []],
          [result.errors, one.errors ?? []],
        ] as const) {
          assert.equal(said.length, wanted.length, said.join("; "));
          for (const [n, expression] of wanted.entries()) assert.match(said[n]!, expression);
        }
      });
  });

test("what is wrong at one element says its file and line, and the others are done", () => {
  const result = transformXml(source, {
    name: "Web.Test.config",
    text: `<configuration ${xdt}>\n<appSettings>\n<add xdt:Transform="Melt" />\n<add xdt:Transform="RemoveAll" />\n</appSettings>\n</configuration>`,
  });
  assert.deepEqual(result.errors, ["Web.Test.config, line 3: 'Melt' is no transform that this server knows"]);
  assert.deepEqual(result.notes, ["Web.Test.config, line 4: RemoveAll at /configuration/appSettings/add"]);
  assert.equal(result.text, source.replace(mode + url, ""));
});

test("the outermost element can be replaced and its attributes set, but not removed", () => {
  const at = (words: string, body = ""): ReturnType<typeof transformXml> =>
    transformXml(source, { name: "t", text: `<configuration ${xdt} ${words}>${body}</configuration>` });
  const head = source.slice(0, source.indexOf("<configuration>"));
  assert.equal(at(`xdt:Transform="Replace"`, "<a/>").text, `${head}<configuration><a/></configuration>\n`);
  assert.equal(at(`more="1" xdt:Transform="SetAttributes"`).text, source.replace("<configuration>", `<configuration more="1">`));
  assert.match(at(`xdt:Transform="Remove"`).errors[0]!, /outermost element of a document cannot be removed/);
  assert.match(at(`xdt:Transform="Insert"`).errors[0]!, /one outermost element/);
});

test("later transforms see what earlier ones did, and children of a changed element are gone through", () => {
  const body = settings(
    `<add key="New" value="1" xdt:Transform="Insert" /><add key="New" value="2" xdt:Transform="Replace" xdt:Locator="Match(key)" />`,
  );
  assert.equal(run(body).text, source.replace(url, `${url}    <add key="New" value="2" />\n`));
  const both = web(`<authorization mode="on" xdt:Transform="SetAttributes"><allow xdt:Transform="Remove" /></authorization>`);
  assert.equal(run(both).text, source.replace(allow, "").replace("<authorization>", `<authorization mode="on">`));
});

test("line breaks, tabs, comments, CDATA, entities and blanks stay as they were written", () => {
  const text = `<a>\r\n\t<!-- <b> & -->\r\n\t<c  x = '1'\t>t &amp; &#65; <![CDATA[<&]]></c>\r\n\t<d></d><?pi  x?>\r\n\t<b\n />\r\n</a>`;
  const result = transformXml(text, {
    name: "t",
    text: `<a ${xdt}>\n  <b xdt:Transform="Insert">\n    <e>1 &lt; 2</e>\n  </b>\n  <c x="2" xdt:Transform="SetAttributes" />\n</a>`,
  });
  assert.deepEqual(result.errors, []);
  assert.equal(
    result.text,
    `<a>\r\n\t<!-- <b> & -->\r\n\t<c  x = '2'\t>t &amp; &#65; <![CDATA[<&]]></c>\r\n\t<d></d><?pi  x?>\r\n\t<b\n />\r\n\t<b>\r\n\t  <e>1 &lt; 2</e>\r\n\t</b>\r\n</a>`,
  );
  const oneLine = `<a><b x="1"/></a>`;
  assert.equal(transformXml(oneLine, { name: "t", text: `<a ${xdt}><c xdt:Transform="Insert"/></a>` }).text, `<a><b x="1"/><c/></a>`);
});

test("namespaces: the default one and prefixes are meant as the transform declares them, and stay declared in what is inserted", () => {
  const binding = `<configuration><runtime><assemblyBinding xmlns="urn:asm"><dependentAssembly><identity name="A"/></dependentAssembly><dependentAssembly><identity name="B"/></dependentAssembly></assemblyBinding></runtime></configuration>`;
  const at = (words: string, inner = ""): ReturnType<typeof transformXml> =>
    transformXml(binding, {
      name: "t",
      text: `<configuration ${xdt} xmlns:y="urn:y"><runtime><assemblyBinding xmlns="urn:asm"><dependentAssembly ${words}>${inner}</dependentAssembly></assemblyBinding></runtime></configuration>`,
    });
  const second = `<dependentAssembly><identity name="B"/></dependentAssembly>`;
  const removed = at(`xdt:Transform="Remove" xdt:Locator="Condition(_defaultNamespace:identity/@name='B')"`);
  assert.deepEqual([removed.text, removed.warnings, removed.errors], [binding.replace(second, ""), [], []]);
  const inserted = at(`xdt:Transform="Insert"`, `<y:z y:k="1"/>`);
  assert.equal(inserted.text, binding.replace(second, `${second}<dependentAssembly xmlns:y="urn:y"><y:z y:k="1"/></dependentAssembly>`));
  const other = transformXml("<a/>", { name: "t", text: `<a ${xdt} xmlns:y="urn:y" y:k="1" xdt:Transform="SetAttributes(y:k)"/>` });
  assert.equal(other.text, `<a xmlns:y="urn:y" y:k="1"/>`);
  const unlike = transformXml(`<a xmlns="urn:1"/>`, { name: "t", text: `<a ${xdt} x="1" xdt:Transform="SetAttributes"/>` });
  assert.match(unlike.warnings[0]!, /no element of the document is \/a/);
});

test("S5: broken, hostile, deep and huge documents end in a sentence, and a slow expression in time", () => {
  const ok = `<a ${xdt}/>`;
  for (const [document, transform, why] of [
    ["<a>", ok, /no XML/],
    [source, "<a><b></a>", /of t: it is no XML/],
    [`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`, ok, /document type/],
    [`${"<a>".repeat(300)}${"</a>".repeat(300)}`, ok, /nested deeper than 200/],
    ["<a/>", `${"<a>".repeat(300)}${"</a>".repeat(300)}`, /nested deeper than 200/],
    [`<a>${" ".repeat(1_000_001)}</a>`, ok, /longer than 1000000 characters/],
    ["<a/>", `<a>${"<b/>".repeat(10_001)}</a>`, /more than 10000 elements/],
  ] as const)
    assert.throws(
      () => transformXml(document, { name: "t", text: transform }),
      (error: unknown) => error instanceof NotOfThisForm && why.test(error.message),
      String(why),
    );
  // Some seconds where nothing ends it, so that this fails by itself then.
  const wide = `<a>${"<b/>".repeat(60)}</a>`;
  const slow = `<a ${xdt}><b xdt:Transform="Remove" xdt:Locator="Condition(count(//b[count(//b[count(//b) > 0]) > 0]) > 0)"/></a>`;
  assert.throws(() => transformXml(wide, { name: "t", text: slow }, 100), /takes longer than 0\.1 s/);
});
