/** Values by their shapes: what is written, and what is understood, converted or refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Binary, Double, decodeBson, encodeBson, guidFromBytes, guidToBytes } from "./bson.ts";
import type { BsonDocument, BsonValue } from "./bson.ts";
import { ArgumentMismatch, ProtocolError } from "./errors.ts";
import { defaultLimits } from "./limits.ts";
import { decodeResponse } from "./messages.ts";
import { complexObject } from "./recorded-contracts.ts";
import { fromTagged, readRecordings } from "./recordings.ts";
import { formatTimespan, parseTimespan } from "./timespans.ts";
import { decodeValue, encodeValue } from "./values.ts";
import type { Shape } from "./shapes.ts";
import type { DecodeContext } from "./values.ts";

function context(knownTypes: string[] = []): DecodeContext {
  return { incoming: [], knownTypes: new Set(knownTypes), streamsPerMessageMax: 10 };
}

function decode(shape: Shape, value: BsonValue): unknown {
  return decodeValue(shape, value, false, context(), "value");
}

test("an object of the original library with every kind of member is understood", () => {
  const recording = readRecordings("library").find(({ scenario }) => scenario === "listening-complex-object")!;
  const frame = recording.frames.find(({ dir, kind }) => dir === "s2c" && kind === "message")!;
  const { result } = decodeResponse(fromTagged(frame.envelope) as BsonDocument);
  const found = decode(complexObject, result) as Record<string, unknown>;
  assert.deepEqual(
    { ...found, Map: { ...(found["Map"] as object) }, IntMap: { ...(found["IntMap"] as object) } },
    {
      Text: 'Grüße, 世界 ✓ "quoted" \n line',
      NullText: null,
      Character: "ß",
      Flag: true,
      Byte: 200,
      Int32: -123456789,
      UInt32: 2000000000,
      Single: 1.5,
      Double: 0.1,
      NullableInt: 42,
      NullableIntNull: null,
      LongEnum: 5000000000,
      Guid: "00112233-4455-6677-8899-aabbccddeeff",
      Bytes: Buffer.from("AAEC/f7/", "base64"),
      When: new Date("2026-03-03T19:06:07.089Z"),
      Span: 300_000,
      LongSpan: 2_147_483_647,
      Strings: ["one", null, "three"],
      Ints: [1, -2, 3],
      Inners: [
        { Name: "a", Count: 1 },
        { Name: "b", Count: 2 },
      ],
      EmptyList: [],
      Map: { "Key One": "v1", camelKey: null },
      IntMap: { 5: { Name: "five", Count: 5 } },
      Nested: { Name: "nested", Count: -1 },
      Part: { Spokes: 36, Label: "front" },
      ReadOnlyStrings: ["x", "y"],
    },
  );
});

test("timespans are read and written as .NET does", () => {
  for (const [text, ms] of [
    ["00:00:00", 0],
    ["00:05:00", 300_000],
    ["24.20:31:23.6470000", 2_147_483_647],
    ["-01:02:03", -3_723_000],
    ["00:00:00.0001000", 0.1],
    ["1.00:00:00", 86_400_000],
  ] as const) {
    assert.equal(parseTimespan(text), ms);
    assert.equal(formatTimespan(ms), text);
  }
  for (const text of ["", "5", "24:00:00", "00:60:00", "00:00", "00:00:00.12345678", "x00:00:00"])
    assert.equal(parseTimespan(text), undefined, text);
});

test("a GUID is written in .NET's byte order", () => {
  const guid = "00112233-4455-6677-8899-aabbccddeeff";
  assert.equal(guidToBytes(guid).toString("hex"), "33221100554477668899aabbccddeeff");
  assert.equal(guidFromBytes(guidToBytes(guid)), guid);
  assert.throws(() => guidToBytes("no guid"), TypeError);
});

test("what .NET peers convert is converted, and what they refuse is refused", () => {
  const int32: Shape = { kind: "int32" };
  const int64: Shape = { kind: "int64" };
  const accepted: [Shape, BsonValue, unknown][] = [
    [int32, 5n, 5],
    [int32, new Double(3.7), 4],
    [int32, "12", 12],
    [int64, 5, 5],
    [{ kind: "double" }, 5, 5],
    [{ kind: "boolean" }, 1, true],
    [{ kind: "boolean" }, "true", true],
    [{ kind: "string" }, 5, "5"],
    [{ kind: "guid" }, "00112233-4455-6677-8899-AABBCCDDEEFF", "00112233-4455-6677-8899-aabbccddeeff"],
    [{ kind: "date" }, "2026-03-03T19:06:07.089Z", new Date("2026-03-03T19:06:07.089Z")],
    [int32, null, null],
  ];
  for (const [shape, value, result] of accepted) assert.deepEqual(decode(shape, value), result);
  const refused: [Shape, BsonValue][] = [
    [int32, 2n ** 31n],
    [int32, "twelve"],
    [int32, new Double(Number.NaN)],
    [int32, new Map()],
    [int64, 2n ** 53n],
    [{ kind: "timespan" }, 5],
    [{ kind: "boolean" }, "yes"],
    [{ kind: "guid" }, new Binary(4, Buffer.alloc(15))],
    [{ kind: "date" }, "yesterday"],
    [{ kind: "bytes" }, 5],
    [{ kind: "stream" }, new Map<string, BsonValue>([["id", "x"]])],
    [{ kind: "list", of: int32 }, "x"],
    [{ kind: "list", of: int32 }, new Map<string, BsonValue>([["$type", "Evil[], Evil"]])],
    [{ kind: "dictionary", of: int32 }, []],
  ];
  for (const [shape, value] of refused) assert.throws(() => decode(shape, value), ProtocolError, JSON.stringify(shape));
});

const settings: Shape = {
  kind: "object",
  type: "Test.Settings, Test",
  alsoAccepts: ["Old.Settings, Old"],
  members: { Name: { kind: "string" } },
};

test("S5: only the types that a contract names are accepted, wherever they stand", () => {
  const typed = (type: string): BsonDocument =>
    new Map([
      ["$type", type],
      ["Name", "x"],
    ]);
  for (const type of ["Test.Settings, Test", "Old.Settings, Old"]) assert.deepEqual(decode(settings, typed(type)), { Name: "x" });
  assert.throws(() => decode(settings, typed("Evil.Type, Evil")), ProtocolError);
  assert.throws(() => decodeValue(settings, typed("Evil.Type, Evil"), true, context(), "argument"), ProtocolError);
  assert.throws(() => decodeValue(settings, typed("Other, Test"), true, context(["Other, Test"]), "argument"), ArgumentMismatch);
  assert.throws(() => decodeValue(settings, new Map([["Name", "x"]]), true, context(), "argument"), ArgumentMismatch);
});

test("members are found ignoring case, unknown ones are skipped and missing ones are null", () => {
  assert.deepEqual(
    decode(
      settings,
      new Map<string, BsonValue>([
        ["name", "x"],
        ["Other", new Map([["$type", "Evil.Type, Evil"]])],
      ]),
    ),
    { Name: "x" },
  );
  assert.deepEqual(decode(settings, new Map()), { Name: null });
});

test("S2: keys of a dictionary cannot reach the prototype", () => {
  const evil = new Map<string, BsonValue>([
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
  const decoded = decode({ kind: "dictionary", of: { kind: "string" } }, evil) as object;
  assert.equal(Object.getPrototypeOf(decoded), null);
  assert.deepEqual(Object.entries(decoded), [
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
});

test("S5: values that do not fit their shape are refused with the place where they stand", () => {
  const shape: Shape = { kind: "object", type: "T, T", members: { Counts: { kind: "list", of: { kind: "int32" } } } };
  assert.throws(() => encodeValue(shape, { Counts: [1, 2.5] }, true, [], "argument 1"), /argument 1\.Counts\[1\] must be a 32-bit integer/);
  for (const [kind, value] of [
    ["int32", 2 ** 31],
    ["int64", 2 ** 53],
    ["date", new Date(Number.NaN)],
    ["guid", "x"],
    ["string", 5],
    ["stream", { length: -1, open() {} }],
  ] as const)
    assert.throws(() => encodeValue({ kind }, value, false, [], "it"), TypeError, kind);
});

test("a stream has a type name as an argument and none inside an object, and each mention gets an id of its own", () => {
  const streams: Parameters<typeof encodeValue>[3] = [];
  const stream = { length: 3, async *open() {} };
  const direct = encodeValue({ kind: "stream" }, stream, true, streams, "it") as BsonDocument;
  const inside = encodeValue({ kind: "list", of: { kind: "stream" } }, [stream], false, streams, "it") as BsonDocument[];
  assert.deepEqual([...direct.keys()], ["$type", "id", "length"]);
  assert.deepEqual([...inside[0]!.keys()], ["id", "length"]);
  assert.equal(new Set(streams.map(({ id }) => id)).size, 2);
});

test("S5: BSON is refused when it is cut, padded, too deep or has too many elements", () => {
  const document: BsonDocument = new Map<string, BsonValue>([
    ["text", "abc"],
    ["list", [1, 2n, new Double(3), true, null, new Date(0), new Binary(0, Buffer.from("x"))]],
  ]);
  const bytes = encodeBson(document);
  assert.deepEqual(decodeBson(bytes, defaultLimits), document);
  for (let size = 0; size < bytes.length; size++)
    assert.throws(() => decodeBson(bytes.subarray(0, size), defaultLimits), ProtocolError, String(size));
  assert.throws(() => decodeBson(Buffer.concat([bytes, Buffer.alloc(1)]), defaultLimits), ProtocolError);
  const binaryAt = bytes.indexOf(Buffer.from([5, 0x36, 0])) + 3;
  for (const size of [2, 1_000, -1, 0x7fffffff]) {
    const lying = Buffer.from(bytes);
    lying.writeInt32LE(size, binaryAt);
    assert.throws(() => decodeBson(lying, defaultLimits), ProtocolError, `a binary value of ${size} bytes`);
  }
  const inside = encodeBson(
    new Map<string, BsonValue>([
      ["inner", new Map([["text", "abc"]])],
      ["after", "x"],
    ]),
  );
  // The text of the inner document now ends in the outer one, where there happens to be a zero too.
  const sizeAt = inside.indexOf("text") + 5;
  inside.writeInt32LE(inside.indexOf("after") + 5 - sizeAt - 3, sizeAt);
  assert.throws(() => decodeBson(inside, defaultLimits), /text length/);
  assert.throws(() => decodeBson(bytes, { messageDepthMax: 1, messageElementsMax: 100 }), /levels of nesting/);
  assert.throws(() => decodeBson(bytes, { messageDepthMax: 9, messageElementsMax: 8 }), /more than 8 elements/);
});
