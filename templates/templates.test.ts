// What the conformance table does not say: sensitive values, cycles, texts that explode, files of other languages, and each limit once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TemplateError, createVariables, defaultTemplateLimits, namesUsedBy, parseTemplate } from "./templates.ts";
import type { TemplateErrorKind, TemplateLimits, Variables } from "./templates.ts";

const variablesOf = (values: { readonly [name: string]: string }, limits: Partial<TemplateLimits> = {}): Variables =>
  createVariables(
    Object.entries(values).map(([name, value]) => ({ name, value, sensitive: name.startsWith("Secret") })),
    { nowMs: 0, limits },
  );

const refuses = (kind: TemplateErrorKind, message: RegExp, run: () => unknown): void => {
  const begin = performance.now();
  assert.throws(run, (error: unknown) => error instanceof TemplateError && error.kind === kind && message.test(error.message));
  // Generous, because machines are busy; unbounded work would take minutes.
  assert.ok(performance.now() - begin < 20_000);
};

test("S3: what holds something of a sensitive value is sensitive, through values, filters, loops, JSON and calculations", () => {
  const variables = variablesOf({
    Secret: "hunter2,hunter3",
    SecretJson: '{"password": "p", "n": 2}',
    Url: "https://me:#{Secret}@host",
    Outer: "<#{Url}>",
    Plain: "text",
    "Map[hunter2,hunter3]": "found",
  });
  const sensitive = ["#{Secret}", "#{Outer}", "#{Secret | ToBase64}", "#{Plain | Append #{Secret}}", "#{each s in Secret}#{s}#{/each}"];
  const more = [
    "#{SecretJson.password}",
    "#{calc {SecretJson.n} + 1}",
    "#{each p in SecretJson}#{p.Value}#{/each}",
    "#{if Secret}#{Secret}#{/if}",
  ];
  for (const template of [...sensitive, ...more]) {
    const { text, sensitive: isSensitive, unresolved } = variables.evaluate(template);
    assert.deepEqual([isSensitive, unresolved], [true, []], `${template} -> ${text}`);
  }
  assert.equal(variables.get("Outer")?.sensitive, true);
  assert.equal(variables.get("Plain")?.sensitive, false);
  // What is only read to decide is not in the text.
  for (const template of [
    "#{Plain}",
    "#{if Secret}yes#{/if}",
    "#{Secret | Contains hunter}",
    "#{Map[#{Secret}]}",
    '#{if Secret == "x"}1#{else}2#{/if}',
  ])
    assert.equal(variables.evaluate(template).sensitive, false, template);
  assert.equal(variables.evaluate("#{Secret} #{Plain | Contains e}").sensitive, true, "a comparison does not wash what stands before it");
});

test("S3: each text that filters, members and calculations make of a sensitive value is told, and what is only looked at is not", () => {
  const told: string[] = [];
  const variables = createVariables(
    [
      { name: "Secret", value: "Hunter2 &c", sensitive: true },
      { name: "SecretJson", value: '{"password": "pass-1", "port": 8080, "on": true}', sensitive: true },
      { name: "Made", value: "<#{Secret | ToUpper}>" },
      { name: "Plain", value: "Text" },
    ],
    { nowMs: 0, hearDerived: (text) => void told.push(text) },
  );
  const toldBy = (template: string): string[] => {
    told.length = 0;
    variables.evaluate(template);
    return told.filter((text) => text !== "Hunter2 &c");
  };
  assert.deepEqual(toldBy("a #{Secret | ToUpper} b"), ["HUNTER2 &C"]);
  assert.deepEqual(toldBy("#{Secret | Substring 0 6 | ToBase64}"), ["Hunter", "SHVudGVy"]);
  assert.deepEqual(toldBy("#{if Plain}#{Secret | UriEscape}#{/if}"), ["Hunter2%20&c"]);
  assert.deepEqual(toldBy("#{Plain | Append #{Secret}}"), ["TextHunter2 &c"]);
  assert.deepEqual(toldBy("#{SecretJson.password} #{calc {SecretJson.port} + 1}"), ["pass-1", "8080", "8081"]);
  assert.deepEqual(toldBy("#{Secret} #{Plain | ToUpper}"), [], "what stands beside a secret is none");
  assert.deepEqual(toldBy("#{if SecretJson.on}#{Plain}#{/if}#{Secret | Contains H}"), [], "what is only looked at");
  // A value is evaluated once: who reads it first, only to look at it, must not keep what is in it from being told.
  assert.deepEqual(toldBy("#{if Made}#{Plain}#{/if}"), ["HUNTER2 &C"]);
});

test("S3: what is told of a mistake in a sensitive value holds nothing of it", () => {
  const variables = variablesOf({
    SecretBroken: "pass#{word! hunter2",
    SecretOpen: "pass#{hunter2}",
    Url: "#{SecretOpen}",
    T: "x",
    SecretP: "(hunter2{500}){2}".repeat(5),
  });
  assert.doesNotMatch(JSON.stringify(variables.get("SecretBroken")?.problem), /word|hunter2/);
  assert.deepEqual(variables.evaluate("#{Url}").unresolved, ["#{SecretOpen}"]);
  assert.throws(
    () => variables.evaluate("#{T | Match #{SecretP}}"),
    (error: Error) => error instanceof TemplateError && !error.message.includes("hunter2"),
  );
});

test("a value that needs itself is refused with the chain, however it is reached; one that is JSON may name its own members", () => {
  const cycle = variablesOf({ Foo: "#{Fox}", Fox: "#{if Fax}1#{/if}", Fax: "#{Fix | ToUpper}", Fix: "#{Foo}", Own: "a#{Own}" });
  const official =
    'An attempt to parse the variable symbol "Foo" appears to have resulted in a self referencing loop (Foo -> Fox -> Fax -> Fix -> Foo). ' +
    "Ensure that recursive loops do not exist in the variable values.";
  for (let again = 0; again < 2; again++)
    assert.throws(() => cycle.evaluate("#{Foo}"), { name: "TemplateError", kind: "recursion", message: official });
  refuses("recursion", /Own -> Own/, () => cycle.get("Own"));
  assert.equal(variablesOf({ A: '{"x": "#{A.y}", "y": "1"}' }).evaluate("#{A.x} #{A}").text, '1 {"x": "1", "y": "1"}');
  assert.equal(variablesOf({ A: '{"x": "#{A.x}"}' }).evaluate("#{A.x}").text, "", "a member that leads to itself has no value");
  assert.equal(variablesOf({ V: "#{V[#{foo}]}", foo: "bar" }).evaluate("#{V}").text, "");
});

test("what a value comes to does not depend on what was asked before", () => {
  // While Json is being evaluated it is no JSON yet, so what B found in it then must not be kept.
  const variables = variablesOf({ Json: '{"a": "#{B}", "x": #{N}}', B: "#{Json.x}", N: "5" });
  for (let again = 0; again < 2; again++) {
    refuses("recursion", /B -> Json -> B|B -> B/, () => variables.evaluate("#{B}"));
    assert.equal(variables.evaluate("#{Json.x}").text, "5");
  }
});

test("S5: texts that explode end at a limit by name", () => {
  const doubling = Object.fromEntries(Array.from({ length: 40 }, (_, level) => [`X${level}`, `#{X${level + 1}}#{X${level + 1}}`]));
  refuses("output", /longer than 16777216/, () => variablesOf({ ...doubling, X40: "x" }).evaluate("#{X0}"));
  refuses("steps", /more than 1000000 steps/, () => {
    const list = Array.from({ length: 2_000 }, () => "a").join();
    variablesOf({ List: list }).evaluate("#{each a in List}#{each b in List}#{a}#{/each}#{/each}");
  });
  refuses("steps", /steps/, () => variablesOf({ List: ",".repeat(2_000_000) }).evaluate("#{each a in List}#{/each}"));
  const chain = Object.fromEntries(Array.from({ length: 300 }, (_, level) => [`C${level}`, `#{C${level + 1}}`]));
  refuses("depth", /more than 200 deep/, () => variablesOf(chain).evaluate("#{C0}"));
  refuses("output", /values of the template come to more/, () =>
    variablesOf({ A: "x".repeat(1_000) }, { producedCharactersMax: 5_000 }).evaluate("#{A | ToUpper}".repeat(6)),
  );
  refuses("output", /Markdown/, () => variablesOf({ A: "x".repeat(200_000) }).evaluate("#{A | Markdown}"));
  refuses("output", /longer than/, () => variablesOf({ A: "\n".repeat(100_000) }).evaluate("#{A | Indent 255}"));
});

test("S5: no regular expression stops a node", () => {
  const evil = variablesOf({
    T: "a".repeat(50_000),
    Short: "a".repeat(30),
    P: "(a+)+$".repeat(200),
    Wide: "(a{100}){10}".repeat(5),
    Deep: "(".repeat(900),
  });
  assert.equal(evil.evaluate('#{T | Match "(a+)+b"}|#{T | Match "^(a|aa)+$"}|#{T | Match "(.*)(.*)(.*)b"}').text, "false|true|false");
  refuses("regex", /1000 are the most/, () => evil.evaluate("#{Short | Match #{P}}"));
  refuses("regex", /too large/, () => evil.evaluate("#{Short | Match #{Wide}}"));
  refuses("regex", /too long for/, () => variablesOf({ T: "a".repeat(1_000_000), W: "(a{30}){20}" }).evaluate("#{T | Match #{W}}"));
  refuses("regex", /took more than/, () =>
    variablesOf({ T: "a".repeat(100_000) }, { regexMsMax: 50 }).evaluate('#{T | Replace "a.*b|a" x}'),
  );
  assert.equal(evil.evaluate('#{Short | Match "(a)\\1"}#{Short | Match #{Deep}}').unresolved.length, 2);
});

test("S5: chains of values that nest as deep as one may each end by name, not with the stack", () => {
  const chainOf = (link: (next: string) => string): Variables =>
    variablesOf({
      ...Object.fromEntries(Array.from({ length: 199 }, (_, at) => [`C${at}`, link(`#{C${at + 1}}`)])),
      A: "1",
      C199: "2",
    });
  const around = (before: string, after: string) => (next: string) => before.repeat(90) + next + after.repeat(90);
  for (const [what, link, kind] of [
    ["filters", (next: string) => next.replace("}", `${" | Trim".repeat(90)}}`), null],
    ["blocks", around("#{if A}", "#{/if}"), "depth"],
    ["options", around("#{A | Append ", "}"), "depth"],
    ["brackets", (next: string) => `#{calc ${"(".repeat(90)}{${next.slice(2)}${")".repeat(90)}}`, "depth"],
    ["indexes", around("#{A[", "]}"), "depth"],
  ] as const) {
    const variables = chainOf(link);
    if (kind === null) assert.equal(variables.evaluate("#{C20}").text, "2", what);
    else refuses(kind, /more than 200 deep/, () => variables.evaluate("#{C0}"));
  }
});

test("S5: work that leaves no text behind is counted too: hashes, comparisons, searches, formats and lists in loops", () => {
  const long = "x".repeat(2_000_000);
  const values = {
    Long: long,
    Same: `${long.slice(1)}x`,
    List: Array.from({ length: 1_000 }, (_, at) => `i${at}`).join(),
    Number: "123.456",
  };
  for (const inner of [
    "#{Long | Sha512 1}",
    "#{Long | Contains zz}",
    "#{if Long == Same}#{/if}",
    '#{Number | Format Double "0.00000"}',
    '#{List | Match "a.*b"}',
    "#{Number | Markdown}",
    "#{calc Number * 2}#{each k in List}#{/each}",
  ])
    refuses("steps", /more than 1000000 steps/, () =>
      variablesOf(values).evaluate(`#{each i in List}#{each j in List}#{if A}${"x".repeat(10)}#{/if}${inner}#{/each}#{/each}`),
    );
  refuses("output", /longer than/, () => variablesOf(values).evaluate(`#{A | Append ${"#{Long} ".repeat(1_000)}}`));
  refuses("output", /longer than/, () => variablesOf({ T: "ab".repeat(10_000), R: "$_".repeat(10_000) }).evaluate("#{T | Replace a #{R}}"));
});

test("S5: what nests too deep stays as it is, quickly", () => {
  const unclosed = "#{if a}".repeat(100_000);
  for (const text of [
    "#{if a}".repeat(10_000) + "#{/if}".repeat(10_000),
    unclosed,
    "#{a[".repeat(100_000),
    "#{a | b ".repeat(100_000),
    `#{calc ${"(".repeat(100_000)}`,
    `#{a${" | Trim".repeat(100_000)}}`,
    `#{a | b ${"#{if c}".repeat(50_000)}`,
    "#{each a in b}".repeat(50_000) + "#{/if}",
  ])
    for (const broken of ["refuse", "text"] as const) {
      const begin = performance.now();
      const { text: result, problem } = variablesOf({}).evaluate(text, { broken });
      assert.equal(result, text, text.slice(0, 40));
      if (broken === "refuse") assert.equal(problem === null, text === unclosed, text.slice(0, 40));
      assert.ok(performance.now() - begin < 20_000);
    }
  assert.equal(
    parseTemplate("#{if a}".repeat(100_000), { broken: "refuse" }).ok,
    true,
    "blocks that nothing closes are names, and do not nest",
  );
  // Each of these could be a block or a name, which without remembering would be read 2 to the power of 60 times.
  assert.equal(parseTemplate(`${"#{if a}".repeat(60)}#{/each}#{/if}`, { broken: "refuse" }).ok, false);
  const nested = "#{if a}".repeat(99) + "x" + "#{/if}".repeat(99);
  assert.equal(variablesOf({ a: "1" }).evaluate(nested).text, "x");
  assert.match(
    variablesOf({ a: "1" }).evaluate(`#{if a}${nested}y#{/if}#{if a}${nested}#{/if}`).problem?.message ?? "",
    /more than 100 deep/,
  );
});

test("S5: reading takes time in proportion to the text, also where blocks are not closed", () => {
  const shapes = [
    "#{if a}#{b}#{/if} text ",
    "#{each a in b}#{/if} ",
    '#{a | Replace "x" #{if b} } ',
    "#{a[b]} ##{ #{if c} ",
    '{#{"x"} #{a[ ',
  ];
  for (const shape of shapes) {
    // Processor time and the best of some, because machines are busy.
    const cost = (copies: number): number => {
      const text = shape.repeat(copies);
      const costs = Array.from({ length: 4 }, () => {
        const before = process.cpuUsage();
        parseTemplate(text, { broken: "text" });
        return process.cpuUsage(before).user;
      });
      return Math.min(...costs);
    };
    cost(1_000);
    const [small, large] = [cost(4_000), cost(64_000)];
    // 16 times the text; quadratic reading would cost 256 times as much.
    assert.ok(large < 150 * Math.max(small, 2_000), `${shape}: ${small} µs, then ${large} µs`);
  }
});

test("in files of other languages a broken placeholder stays and reading goes on", () => {
  const file = 'return"#{"===e.substr(0,2)?void 0:e},i="#{Web.Root}";l="#{Wsf.Host}";a="#{';
  const variables = variablesOf({ "Web.Root": "R", "Wsf.Host": "H" });
  assert.equal(variables.evaluate(file, { broken: "text" }).text, 'return"#{"===e.substr(0,2)?void 0:e},i="R";l="H";a="#{');
  const refused = variables.evaluate(file);
  assert.equal(refused.text, file);
  assert.match(refused.problem?.message ?? "", /cannot be read at character 9: unexpected/);
  assert.equal(variables.evaluate("#{Web.Root}#{/if}", { broken: "text" }).text, "R#{/if}");
});

test("S2: no name reaches a prototype", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "__proto__.polluted", "constructor.name", "constructor[name]"];
  for (const name of names) {
    const variables = variablesOf({ Json: "{}", List: "[]" });
    for (const template of [`#{${name}}`, `#{Json[x].${name}}`, `#{List.${name}}`, `#{x | ${name.split(/[.[]/)[0]}}`])
      assert.equal(variables.evaluate(template).text, template);
    assert.equal(variables.evaluate(`#{Json.${name.split(/[.[]/)[0]}}`).text, "", "a member that is not there is empty");
    const set = createVariables([{ name, value: "mine" }], { nowMs: 0 });
    assert.equal(set.evaluate(`#{${name}}`).text, "mine");
  }
  variablesOf({ "__proto__.polluted": "x", J: '{"__proto__": {"polluted": 1}}' }).evaluate("#{J.__proto__.polluted}");
  assert.ok(!("polluted" in {}));
});

test("what had no value is told as it is written, also from within values", () => {
  const result = variablesOf({ V: "#{Missing} #{Other | ToUpper}", W: "#{V}" }).evaluate("#{W}#{W}#{X | Trim both}#{if Y}#{/if}");
  assert.equal(result.text, "  #{X | Trim both}");
  assert.deepEqual(result.unresolved, ["#{Missing}", "#{Other | ToUpper}", "#{X | Trim both}"]);
});

test("conditions of steps hold only where everything in them has a value", () => {
  const variables = variablesOf({ Yes: "true", No: "False", Zero: "0", Broken: "#{Missing}" });
  const holds = (text: string): boolean => variables.isTruthy(text);
  assert.deepEqual(["#{Yes}", "yes", "#{if Yes}true#{/if}", "#{unless No}1#{/unless}"].map(holds), [true, true, true, true]);
  assert.deepEqual(["#{No}", "#{Zero}", "", "#{Missing}", "#{Broken}", "#{ | null}", "#{if No}1#{/if}"].map(holds), Array(7).fill(false));
});

test("values are had by name, evaluated or not, and the indexes of a name are listed", () => {
  const variables = variablesOf({
    Server: "Web01",
    Url: "http://#{Server | ToLower}",
    "Odd!Name": "x",
    "A[One].B": "1",
    "A[Two[2]].B": "2",
    "A[].B": "3",
  });
  assert.equal(variables.get("URL")?.text, "http://web01");
  assert.equal(variables.getUnevaluated("url"), "http://#{Server | ToLower}");
  assert.equal(variables.get("odd!name")?.text, "x");
  assert.equal(variables.get("nothing"), undefined);
  assert.deepEqual(variables.indexesOf("a"), ["One", "Two[2]", ""]);
  assert.deepEqual(variables.indexesOf("Server"), []);
  assert.deepEqual(variables.names().slice(0, 2), ["Server", "Url"]);
  assert.equal(
    createVariables(
      [
        { name: "a", value: "1" },
        { name: "A", value: null },
      ],
      { nowMs: 0 },
    ).get("a")?.text,
    "",
  );
});

test("the names that a template uses are known without evaluating it", () => {
  const parsed = parseTemplate(
    '#{var} #{VAR} #{filter | Format #{option}} #{nested[#{child}].x} #{if a}#{unless b}#{/unless}#{/if} #{if c != "v"}#{/if} ##{ignored} ' +
      "#{each item in List}#{item.Address}#{Octopus.Template.Each.Index}#{Octopus.Action[Web].Name}#{/each} #{calc {x-y} + z}",
    { broken: "refuse" },
  );
  assert.ok(parsed.ok);
  const expected = ["var", "filter", "option", "child", "nested", "a", "b", "c", "List", "Octopus.Action[Web].Name", "x-y", "z"];
  assert.deepEqual(namesUsedBy(parsed.nodes), expected);
});

test("the limits are what the documents say, and a caller may lower them", () => {
  assert.equal(defaultTemplateLimits.stepsMax, 1_000_000);
  assert.match(variablesOf({}, { templateCharactersMax: 10 }).evaluate("#{aaaaaaaaaaaaaaaaa}").problem?.message ?? "", /10 are the most/);
  assert.match(variablesOf({}, { nestingMax: 2 }).evaluate("#{if a}#{if b}#{c}#{/if}#{/if}").problem?.message ?? "", /more than 2 deep/);
});
