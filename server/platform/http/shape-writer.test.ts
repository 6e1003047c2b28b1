// Writing an answer in its declared shape, as a value and as text.

import assert from "node:assert/strict";
import { test } from "node:test";
import { anything, flag, id, links, list, map, object, optional, orNull, page, text, time, whole } from "@cuttle/contract/rest/shapes";
import { compileWriter, lasting } from "./shape-writer.ts";

test("an answer has its listed members only, times with an offset, and null for what is unset", () => {
  const write = compileWriter(object({ At: orNull(time()), Name: orNull(text()), Tags: list(text()), Note: optional(text()) }));
  assert.deepEqual(write.value({ At: new Date(0), Secret: 1, Tags: undefined }, ""), {
    At: "1970-01-01T00:00:00.000+00:00",
    Name: null,
    Tags: [],
  });
  assert.equal(write.body({ At: new Date(0), Secret: 1 }, ""), '{"At":"1970-01-01T00:00:00.000+00:00","Name":null,"Tags":[]}');
  assert.ok(page(text()).properties.Items);
});

test("the text is the JSON of the value, whatever is in it", () => {
  const inner = object({ Id: id(), Ids: list(id()), Of: optional(orNull(object({ Count: whole(), Is: flag() }))), Links: links() });
  const write = compileWriter(object({ All: list(inner), ById: map(inner), Free: anything(), Late: orNull(time()), Links: links() }));
  const many = Array.from({ length: 100 }, (_, n) => `Environments-${n}`);
  const one = (name: unknown) => ({
    Id: name,
    Ids: many,
    Of: { Count: 1.5, Is: true, Hidden: 1 },
    Links: { Self: `/api/${String(name)}` },
  });
  const texts = ["plain", 'quote " and \\', "line\nend\u0000\u001f\u007f", "é ü \u2028 😀", "\ud800 half", "", "__proto__", "</script>"];
  const documents: unknown[] = [
    undefined,
    null,
    7,
    {},
    { All: texts.map(one), ById: Object.fromEntries(texts.map((name) => [name, one(name)])), Free: { a: [undefined, new Date(0)] } },
    {
      All: [null, 3, "x", { Ids: null, Of: null }, { Ids: ["a", undefined, null, new Date(1), 2, Number.NaN] }],
      ById: [],
      Late: new Date(5),
    },
    { All: { length: 1 }, ById: 3, Free: many, Links: { a: "/a", b: undefined, "c d": "/c" } },
    { All: [one("x"), { Id: many, Ids: many.slice(0, 40), Of: { Count: null } }], ById: { 2: one("b"), 1: one("a") }, Links: null },
  ];
  for (const document of documents)
    assert.equal(String(write.body(document, "")), JSON.stringify(write.value(document, "")), JSON.stringify(document));
  const prefixed = { All: [one("x")], Links: { Self: '/api/"' } };
  assert.equal(String(write.body(prefixed, "/octopus")), JSON.stringify(write.value(prefixed, "/octopus")));
  assert.match(String(write.body(prefixed, "/octopus")), /"\/octopus\/api\/x"/);
});

test("a list that is changed between two texts is written anew", () => {
  const write = compileWriter(object({ Ids: list(id()) }));
  const ids = Array.from({ length: 50 }, (_, n) => `A-${n}`);
  const before = String(write.body({ Ids: ids }, ""));
  ids[0] = "B-0";
  assert.notEqual(String(write.body({ Ids: ids }, "")), before);
});

test("a long document is the same JSON as bytes, whichever of its lists are long and however often they stand in it", () => {
  const entry = object({ Id: id(), Ids: list(id()), Notes: list(object({ Note: text(), Late: optional(list(id())) })), Links: links() });
  const write = compileWriter(object({ First: optional(list(entry)), Items: list(entry), Of: object({ Ids: list(id()) }), End: flag() }));
  const long = Array.from({ length: 500 }, (_, n) => `Environments-${n}-é😀"`);
  const short = long.slice(0, 40);
  const entryOf = (n: number) => ({
    Id: `Entry-${n}`,
    Ids: n % 3 === 0 ? long : n % 3 === 1 ? short : [],
    Notes: n % 50 === 0 ? long.map((Note) => ({ Note, ...(n === 0 ? {} : { Late: short }) })) : [],
    Links: { Self: "/api/x" },
  });
  for (const count of [1, 300]) {
    const document = { Items: Array.from({ length: count }, (_, n) => entryOf(n)), Of: { Ids: long }, End: true };
    for (const prefix of ["", "/octopus"]) {
      const body = write.body(document, prefix);
      assert.ok(body instanceof Buffer);
      assert.equal(body.toString("utf8"), JSON.stringify(write.value(document, prefix)));
    }
  }
  assert.equal(typeof write.body({ Items: [], Of: {}, End: false }, ""), "string");
});

test("the text of a document that lasts is that of whoever asks for it: of its shape and its virtual directory", () => {
  const document = lasting({ Id: "Tasks-1", Secret: "for nobody", Links: { Self: "/api/tasks/1" } });
  const one = compileWriter(object({ Items: list(object({ Id: id(), Links: links() })) }));
  const other = compileWriter(object({ Items: list(object({ Id: id() })) }));
  for (let round = 0; round < 2; round++) {
    for (const prefix of ["", "", "/octopus"])
      assert.equal(
        one.body({ Items: [document, document] }, prefix),
        JSON.stringify({ Items: [0, 1].map(() => ({ Id: "Tasks-1", Links: { Self: `${prefix}/api/tasks/1` } })) }),
      );
    assert.equal(other.body({ Items: [document] }, ""), '{"Items":[{"Id":"Tasks-1"}]}');
  }
});
