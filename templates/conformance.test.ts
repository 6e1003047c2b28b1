// The reference of the language, row by row: each form and each filter as it is written there, with expressions, variables and what they come to.
import assert from "node:assert/strict";
import { test } from "node:test";
import { filters } from "./filters.ts";
import { createVariables } from "./templates.ts";

/** 2026-11-03 08:53:11 at Greenwich; the local clock is two hours ahead. */
const nowMs = Date.UTC(2026, 10, 3, 8, 53, 11, 94);
const utcOffsetMinutes = 120;

type Row = [expression: string, variables: { readonly [name: string]: string }, expected: string | null];

/** Evaluates each expression of a row as a step field, in which what has no value stays as it is written. */
function row(quoted: string, rows: readonly Row[]): void {
  test(quoted, () => {
    for (const [expression, values, expected] of rows) {
      const variables = createVariables(
        Object.entries(values).map(([name, value]) => ({ name, value })),
        { nowMs, utcOffsetMinutes },
      );
      assert.equal(variables.evaluate(expression).text, expected, `${expression} over ${JSON.stringify(values)}`);
    }
  });
}

// -- forms

row("`#{Name}`: value. In a variable's own value an unknown name gives an empty string; in files and step fields it is left as written", [
  ["#{Foo}", { Foo: "Bar" }, "Bar"],
  ["#{Foo}", { foo: "Bar" }, "Bar"],
  ["#{Foo}", { Foo: "#{Bar}", Bar: "Baz" }, "Baz"],
  ["#{Foo Bar Jazz}", { "Foo Bar Jazz": "Bar" }, "Bar"],
  ["#{ Foo }", { Foo: "Bar" }, "Bar"],
  ["#{a/b}#{a~b}#{(abc)}#{@a}#{a@b}", { "a/b": "1", "a~b": "2", "(abc)": "3", "@a": "4", "a@b": "5" }, "12345"],
  ["#{Foo}", {}, "#{Foo}"],
  ["#{Foo}#{Jazz}", { Foo: "#{Bar}", Bar: "Baz" }, "Baz#{Jazz}"],
  ["#{ConnectionString}", { ConnectionString: "Server=#{Server}; Database=#{Database}", Server: "SQL" }, "Server=SQL; Database="],
  ["#{ }#{}", { " ": "x" }, "#{ }#{}"],
  ["#{Foo", { Foo: "Bar" }, "#{Foo"],
  ["#{Fo[o}", { "Fo[o]": "Bar" }, "#{Fo[o}"],
]);

row("`##{Name}`: literal `#{Name}`", [
  ["##{Foo}", { Foo: "Bar" }, "#{Foo}"],
  ["###{Foo}", { Foo: "Abc" }, "#Abc"],
  ["# ## ### ####### world", {}, "# ## ### ####### world"],
  ["##{Foo}#{Foo}#", { Foo: "Bar" }, "#{Foo}Bar#"],
]);

row("`#{A[#{B}]}`, `#{A[key].Prop}`: indexing, also by another value", [
  ["#{MyPassword[#{UserName}]}", { "MyPassword[Rob]": "x", "MyPassword[Mary]": "z", UserName: "Mary" }, "z"],
  ["#{Octopus.Action[Package A].Name}", { "Octopus.Action[Package A].Name": "MyPackage" }, "MyPackage"],
  ["#{Octopus.Action[#{Package}].Name}", { Package: "Package A", "Octopus.Action[Package A].Name": "MyPackage" }, "MyPackage"],
  ["#{Octopus.Action[#{Package}].Name}", { "Octopus.Action[Package A].Name": "MyPackage" }, "#{Octopus.Action[#{Package}].Name}"],
  ["#{Package[array[foo].containers[0].container].Registry}", { "Package[array[foo].containers[0].container].Registry": "io" }, "io"],
  ["#{Step[#{action.StepName}]}", { "action.StepName": "Steps[#{index}].step", index: "0", "Step[Steps[0].step]": "Step 0" }, "Step 0"],
  ["#{Octopus.Action[*].Name}", { "Octopus.Action[A].Name": "first", "Octopus.Action[B].Name": "second" }, "first"],
]);

row("`#{if X}…#{elseif Y}…#{else}…#{/if}`: conditional; `elseif` only under `if`", [
  ["#{if Truthy}#{Result}#{/if}", { Truthy: "true", Result: "result" }, "result"],
  ["#{  if Truthy  }#{ Result }#{/if}", { Truthy: "true", Result: "result" }, "result"],
  ["#{if A}1#{else}2#{/if}", { A: "no" }, "2"],
  ["#{if A}1#{elseif B}2#{elseif C}3#{else}4#{/if}", { C: "yes" }, "3"],
  ['#{if A}1#{elseif  B == "b" }2#{else}3#{/if}', { B: "b" }, "2"],
  ["#{if A}1#{elseif B}2#{/if}", {}, ""],
  ["#{if A}#{if B}1#{else}2#{/if}#{else}3#{/if}", { A: "1" }, "2"],
  ["#{if A}1#{else}#{ | null }#{/if}", {}, null],
  ["#{if MyVar}True#{/if}", {}, ""],
  ["#{if Greeting | NonExisting}x#{/if}", { Greeting: "Hello" }, "#{if Greeting | NonExisting}x#{/if}"],
  ['#{unless A}1#{elseif B == "x"}2#{/unless}', {}, '#{unless A}1#{elseif B == "x"}2#{/unless}'],
  ["#{if A}1", { A: "true" }, "#{if A}1"],
]);

row("`#{unless X}…#{else}…#{/unless}`: negation", [
  ["#{unless Truthy}#{Result}#{/unless}", { Truthy: "false", Result: "result" }, "result"],
  ["#{unless MyVar}False#{/unless}", {}, "False"],
  ["#{unless A}1#{else}2#{/unless}", { A: "1" }, "2"],
  ['#{unless A == "x"}1#{/unless}', { A: "x" }, ""],
]);

row('`X == "t"`, `X != Y`: the only comparisons; names in a condition are written without `#{}`; a string may stand on either side', [
  ['#{if Octopus == "octopus"}yes#{/if}', { Octopus: "octopus" }, "yes"],
  ['#{if "octopus" == Octopus }yes#{/if}', { Octopus: "octopus" }, "yes"],
  ['#{if "software" != Octopus}yes#{/if}', { Octopus: "x" }, "yes"],
  ["#{if A == B}yes#{else}no#{/if}", { A: "1", B: "2" }, "no"],
  ["#{if A != B}yes#{else}no#{/if}", { A: "1", B: "2" }, "yes"],
  ["#{if Unknown1 == Unknown2}Equal#{/if}", {}, "Equal"],
  ['#{if A=="foo"}yes#{/if}', { A: "foo" }, "yes"],
  ['#{if A == "FOO"}yes#{else}no#{/if}', { A: "foo" }, "no"],
  ['#{if A | ToUpper == "COOL"}yes#{/if}', { A: "Cool" }, "yes"],
  ["#{if A | ToLower == B | ToLower | Trim }yes#{/if}", { A: "Cool", B: " COOL " }, "yes"],
  ["#{if B | ToLower | Contains #{A | ToLower} }yes#{/if}", { A: "Cool", B: " COOL " }, "yes"],
  ['{"Bar":"#{if Foo == \\"test text\\"}Blaa#{/if}"}', { Foo: "test text" }, '{"Bar":"Blaa"}'],
]);

row("`#{each i in Set}…#{/each}`: over index keys, comma-separated values, JSON arrays, JSON objects (`i.Key`, `i.Value`)", [
  ["#{each a in Action}#{a}-#{a.Name} #{/each}", { "Action[A].Name": "1", "Action[B].Name": "2", "Action[].Name": "3" }, "A-1 B-2 -3 "],
  [
    "#{each e in Endpoints}<#{e}>#{/each}",
    { Endpoints: "http://a.example.com,http://b.example.com" },
    "<http://a.example.com><http://b.example.com>",
  ],
  ["#{each n in Test}#{n};#{/each}", { Test: "[2,3,5,8]" }, "2;3;5;8;"],
  ["#{each s in Sizes}#{s}:#{s.Value},#{/each}", { Sizes: '{"Small": "11.5",  Large: 15.21}' }, "Small:11.5,Large:15.21,"],
  ["#{each s in Sizes}#{s.Key} - #{s.Value.Error}#{/each}", { Sizes: '{"X-Large": {"Error": "Not Stocked"}}' }, "X-Large - Not Stocked"],
  ["Ok#{each nothing in missing}#{nothing}#{/each}", {}, "Ok"],
  [
    "#{each a in Octopus.Action}#{each tr in a.TargetRoles}#{a.Name}#{tr}#{/each}#{/each}",
    {
      "Octopus.Action[A].Name": "A",
      "Octopus.Action[A].TargetRoles": "a,b",
      "Octopus.Action[B].Name": "B",
      "Octopus.Action[B].TargetRoles": "c",
    },
    "AaAbBc",
  ],
  ["#{each a in Action}#{a.Size}#{/each}", { "Action[x].Name": "Baz" }, "#{a.Size}"],
  ["#{each n in Numbers}#{calc n + 5} #{/each}", { Numbers: "10,20" }, "15 25 "],
  ["#{each a in Action}", { "Action[a]": "One" }, "#{each a in Action}"],
  [
    "#{each a in P}#{a}: #{a.Name} #{/each}",
    { "P[container[0]].Name": "A", "P[container[1]].Name": "B" },
    "container[0]: A container[1]: B ",
  ],
]);

row('`Octopus.Template.Each.Index` / `.First` / `.Last`: in a loop: zero-based; "True"/"False"', [
  [
    "#{each a in N}#{a}:#{Octopus.Template.Each.Index}#{Octopus.Template.Each.First}#{Octopus.Template.Each.Last} #{/each}",
    { N: "A,B,C" },
    "A:0TrueFalse B:1FalseFalse C:2FalseTrue ",
  ],
  ["#{each a in N}#{a}#{unless Octopus.Template.Each.Last},#{/unless}#{/each}", { N: "1,2,3", "Octopus.Environment.Name": "x" }, "1,2,3"],
  ["#{each a in N}#{Octopus.Environment.Name}#{/each}", { N: "1,2", "Octopus.Environment.Name": "x" }, "xx"],
]);

row("`#{calc A + 1}`: `+ - * /`", [
  ["192.168.0.#{calc IPOffset[Secondary] + 1}", { "IPOffset[Secondary]": "180" }, "192.168.0.181"],
  ["#{calc 22 * ScaleFactor}", { ScaleFactor: "12" }, "264"],
  ["#{calc 3*(2+2)*4} #{calc 3*2+2*4} #{calc 3-2-1} #{calc 3/2} #{calc 0.2*B}", { B: "7" }, "48 14 0 1.5 1.4000000000000001"],
  [
    "#{calc {B}-2} #{calc 2-B} #{calc (B*2)-2} #{calc {The/Var}-2} #{calc {Another-Var}/2}",
    { B: "7", "The/Var": "9", "Another-Var": "11" },
    "5 -5 12 7 5.5",
  ],
  ["#{calc 1/0} #{calc 2*(B)}", { B: "1e20" }, "∞ 2E+20"],
  ["#{calc B-2} #{calc C+2} #{calc T+1}", { B: "7", T: "text" }, "#{calc B-2} #{calc C+2} #{calc T+1}"],
]);

row('`#{X | Filter arg "quoted arg" #{Y}}`: filters chain; an unknown filter leaves the source text', [
  ["#{Foo|ToUpper|ToLower}", { Foo: "Abc" }, "abc"],
  ["#{ Foo  |  toupper }", { Foo: "Abc" }, "ABC"],
  ['#{foo | Append " " #{foo} " " value}', { foo: "bar" }, "bar bar value"],
  ["#{foo | Append #{if a}1#{else}2#{/if} #{calc 1+1}}", { foo: "bar" }, "bar22"],
  ["#{Foo | ToBazooka 6}", { Foo: "Abc" }, "#{Foo | ToBazooka 6}"],
  ["#{V}", { V: "#{Foo | ToBazooka}", Foo: "Abc" }, "#{Foo | ToBazooka}"],
  ["#{foo | ToUpper}", {}, "#{foo | ToUpper}"],
  ['#{ foo | Indent \\"# \\"}', { foo: "a\nb" }, "# a\n# b"],
]);

row("`#{Json[Key]}`, `#{Json.Key[0].x}`: values that parse as JSON are walked; an explicit variable of the full name wins", [
  ["#{Test[Hello]} #{Test.Hello}", { Test: '{"Hello": "World"}' }, "World World"],
  ["#{Test[Hello][World][Foo][Bar]}", { Test: '{"Hello": {"World": {"Foo": {"Bar": 12 }}}}' }, "12"],
  ["#{Test.Items[1].Name}", { Test: '{"Items": [{"Name": "Toast"}, {"Name": "Bread"}]}' }, "Bread"],
  ["#{Test.Foo}", { Test: '{"Foo": {"Bar":"11"}}' }, '{"Bar":"11"}'],
  ["#{Test.@type}#{Test[@type]}", { Test: '{"@type": "Widget"}' }, "WidgetWidget"],
  [
    "#{Test.Hello} #{Test[Foo]} #{Test.Donkey.Kong}",
    { "Test.Hello": "Go Away", Test: '{"Hello": "World", "Donkey" : {"Kong": 12}}', "Test[Foo]": "Nope" },
    "Go Away Nope 12",
  ],
  ["#{Test[Foo]} #{Test[#{Prop}]}", { Prop: "Foo", Val: "Bar", Test: '{#{Prop}: "#{Val}"}' }, "Bar Bar"],
  ["#{Test.Name}", { Test: '{Name: "#{Test.Value}", Desc: "Monkey", Value: 12}' }, "12"],
  ["#{Test.Name}", { Test: "{Name: NoComma}" }, "#{Test.Name}"],
  ["Alpha#{Foo.Bar}#{Foo.NotBar}#{List[4]}bet", { Foo: "{Bar: null}", List: "[2,3]" }, "Alphabet"],
  ["#{Foo.yes} #{Foo.n}", { Foo: "{yes: true, n: 1.50}" }, "True 1.5"],
]);

row("Falsy: undefined, empty, or after trimming and ignoring case `false`, `no`, `0`. All else is truthy", [
  ...["", "false", "no", "0", " False ", "NO", " 0 "].map((value): Row => ["#{if X}truthy#{else}falsy#{/if}", { X: value }, "falsy"]),
  ...["true", "yes", "1", "00", "off", "null"].map((value): Row => ["#{if X}truthy#{else}falsy#{/if}", { X: value }, "truthy"]),
  ["#{if X}truthy#{else}falsy#{/if}", {}, "falsy"],
]);

// -- filters

const text = "Octopus Deploy";

row('Case, text: ToLower, ToUpper, Trim [start|end], Truncate n [suffix, "..."], Substring [start] length', [
  ["#{f | ToLower}#{f | ToUpper}", { f: "aB" }, "abAB"],
  ["#{f | ToLower x}", { f: "aB" }, "#{f | ToLower x}"],
  ["[#{f | Trim}][#{f | Trim start}][#{f | Trim End}]", { f: " Bar " }, "[Bar][Bar ][ Bar]"],
  ["#{f | Trim Both}", { f: text }, "#{f | Trim Both}"],
  [
    '#{f | Truncate 7}|#{f | Truncate 50}|#{f | Truncate 7 ""}|#{f | Truncate 7 "<|>"}',
    { f: text },
    "Octopus...|Octopus Deploy|Octopus|Octopus<|>",
  ],
  ["#{f | Truncate}#{f | Truncate a}#{f | Truncate -1}", { f: text }, "#{f | Truncate}#{f | Truncate a}#{f | Truncate -1}"],
  ["#{f | Substring 7}|#{f | Substring 8 6}|#{f | Substring 2 3}", { f: text }, "Octopus|Deploy|top"],
  ["#{f | Substring 20}|#{f | Substring 8 7}|#{f | Substring 14 5}|", { f: text }, "Octopus Deploy|Deploy||"],
  ...["Substring", "Substring 1 2 3", "Substring a", "Substring 0 -1", "Substring 20 5"].map((wrong): Row => [
    `#{f | ${wrong}}`,
    { f: text },
    `#{f | ${wrong}}`,
  ]),
]);

row("Replace regex [text] (regular expressions follow .NET)", [
  ["#{f | Replace b}|#{f | Replace b X}", { f: "abc" }, "ac|aXc"],
  ['#{f | Replace "a b" X}', { f: "a b c" }, "X c"],
  ['#{f | Replace "[0-9]+" X}', { f: "ab12c3" }, "abXcX"],
  ['#{f | Replace "(.)b(.)" "$2X$1" }', { f: "abc" }, "cXa"],
  ["#{f | Replace #{match} #{replace}}|#{f | Replace #{match}#{replace}}", { f: "abc", match: "b", replace: "_" }, "a_c|a_c"],
  ['#{f | Replace "\\\\" "\\\\\\\\"}', { f: "a\\b" }, "a\\\\\\\\b"],
  ['#{f | Replace "o(.+)o([a-z]*)s" "o$2o$1s"}', { f: "opuocts" }, "octopus"],
  ['#{f | Replace "^a" x}|#{f | Replace "a$" x}', { f: "ababa" }, "xbaba|ababx"],
  ['#{f | Replace "(?<n>b)" "[${n}$&$0$$1$9]"}', { f: "abc" }, "a[bbb$1$9]c"],
  ["#{f | Replace}", { f: "abc" }, "#{f | Replace}"],
  ['#{f | Replace "a(?=b)" x}', { f: "abc" }, '#{f | Replace "a(?=b)" x}'],
]);

row("Append, Prepend, Indent, Format [type] fmt", [
  ["#{f | Append x}#{f | Prepend x}#{|Append foo}#{ | Prepend foo}", { f: "bar" }, "barxxbarfoofoo"],
  ["#{f | Append}#{ | Prepend}", { f: "bar" }, "#{f | Append}#{ | Prepend}"],
  ["#{f | Indent}", { f: "a\nb" }, "    a\n    b"],
  ["#{f | Indent 2}|#{f | Indent /3}|#{f | Indent 3/2}|#{f | Indent //}", { f: "a\nb" }, "  a\n  b|a\n   b|   a\n  b|//a\n//b"],
  ['#{f | Indent "/* " " * "}|#{f | Indent 256}', { f: "a\nb" }, "/* a\n * b|256a\n256b"],
  ["#{f | Indent abc 123 def}#{ | Indent}", { f: "a" }, "#{f | Indent abc 123 def}#{ | Indent}"],
  [
    "#{f | Format C}|#{f | Format Double C}|#{f | Format F1}|#{f | Format P0}|#{f | Format E2}",
    { f: "1234.567" },
    "$1,234.57|$1,234.57|1234.6|123,457%|1.23E+003",
  ],
  [
    '#{f | Format "0.00"}|#{f | Format \\"#,##0.0\\"}|#{f | Format "000000"}|#{f | Format "0 kg;(0)"}',
    { f: "-1234.567" },
    "-1234.57|-1,234.6|-001235|(1235)",
  ],
  ["#{f | Format Int D5}|#{f | Format int32 X}|#{f | Format Int N0}", { f: "255" }, "00255|FF|255"],
  [
    '#{f | Format yyyy}|#{f | Format Date "HH dd-MMM-yyy"}|#{f | Format DateTime #{Fmt}}',
    { f: "2030/05/22 09:05:00", Fmt: "dddd h:mm tt" },
    "2030|09 22-May-2030|Wednesday 9:05 AM",
  ],
  [
    "#{f | Format DateTimeOffset zz}|#{f | Format o}|#{f | Format d}|#{f | Format R}",
    { f: "2030-05-22T09:05:00Z" },
    "+00|2030-05-22T09:05:00.0000000+00:00|5/22/2030|Wed, 22 May 2030 09:05:00 GMT",
  ],
  ["#{f | Format yyyy}#{f | Format Int C}#{f | Format}", { f: "hello World" }, "#{f | Format yyyy}#{f | Format Int C}#{f | Format}"],
]);

row("Regular expressions and format strings follow .NET: numbers and dates as the official library wrote them in en-US", [
  [
    "#{n | Format N}|#{n | Format F}|#{n | Format P}|#{n | Format C}|#{n | Format R}",
    { n: "1234.5678" },
    "1,234.568|1234.568|123,456.780%|$1,234.57|1234.5678",
  ],
  ["#{n | Format C0}|#{n | Format Double C0}|#{n | Format Double F0}|#{n | Format Double 0}", { n: "2.5" }, "$3|$2|2|3"],
  ["#{n | Format Double N0}|#{n | Format N0}|#{n | Format Double 0}|#{n | Format #{e}}", { n: "-0.005", e: "#" }, "-0|0|-0|"],
  ["#{n | Format #{e}}|#{n | Format 0e0}|#{n | Format G3}", { n: "99999.999", e: "0.###E+00" }, "1E+05|1e5|1E+05"],
  [
    "#{n | Format #{t}}|#{n | Format #{z}}|#{n | Format #{s}}",
    { n: "1234567.891", t: "0,,.0", z: "#,##0.00;(0);zero", s: "00-00" },
    "1.2|1,234,567.89|12345-68",
  ],
  ["#{n | Format Int B}|#{n | Format Int X8}", { n: "-12" }, "11111111111111111111111111110100|FFFFFFF4"],
  ["#{calc 1000000*1000000*1000}|#{calc 1/3}|#{calc 1/1000000}", {}, "1000000000000000|0.3333333333333333|1E-06"],
  [
    "#{d | Format f}|#{d | Format s}|#{d | Format #{x}}|#{d | Format U}",
    { d: "22-May-2030 10:11:12", x: "'q'yy%d gg FFF" },
    "Wednesday, May 22, 2030 10:11 AM|2030-05-22T10:11:12|q3022 AD |#{d | Format U}",
  ],
  ["#{d | Format yyyy}#{e | Format yyyy}", { d: "2030-02-30", e: "2030-13-01" }, "#{d | Format yyyy}#{e | Format yyyy}"],
]);

row("Comparison → true/false: Contains, StartsWith, EndsWith (ordinal), Match regex", [
  ["#{f | Contains de}|#{f | Contains ed}|#{f | Contains ABC}", { f: "abc def" }, "true|false|false"],
  ["#{f | StartsWith abc}|#{f | StartsWith bc}|#{f | StartsWith Ab}", { f: "abc def" }, "true|false|false"],
  ['#{f | EndsWith def}|#{f | EndsWith de}|#{f | EndsWith "c def"}', { f: "abc def" }, "true|false|true"],
  ['#{f | Match abc}|#{f | Match cba}|#{f | Match "[0-9]+"}|#{f | Match "c\\ d"}', { f: "abc def" }, "true|false|false|true"],
  ["#{f | Contains}#{f | Match a b}#{f | StartsWith a b}", { f: "abc" }, "#{f | Contains}#{f | Match a b}#{f | StartsWith a b}"],
]);

row("Conversion: ToBase64 [encoding], FromBase64 [encoding], Markdown, MarkdownToHtml", [
  ["#{f | ToBase64}|#{f | ToBase64 unicode}|#{f | tobase64 UTF-8}", { f: "Baz" }, "QmF6|QgBhAHoA|QmF6"],
  ["#{f | FromBase64}|#{g | FromBase64 unicode}", { f: "QmF6", g: "QgBhAHoA" }, "Baz|Baz"],
  ["#{f | FromBase64}#{f | ToBase64 latin1}", { f: "***" }, "#{f | FromBase64}#{f | ToBase64 latin1}"],
  ["#{f | Markdown}", { f: "_yeah!_" }, "<p><em>yeah!</em></p>\n\n"],
  ["#{f | MarkdownToHtml}", { f: "https://octopus.com" }, '<p><a href="https://octopus.com">https://octopus.com</a></p>\n\n'],
  [
    "#{f | Markdown}",
    { f: "|H1|H2|\n|-|-|\n|C1|C2|" },
    "<table>\n<thead>\n<tr>\n<th>H1</th>\n<th>H2</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>C1</td>\n<td>C2</td>\n</tr>\n</tbody>\n</table>\n\n",
  ],
]);

row("Escaping: HtmlEscape, XmlEscape, JsonEscape, YamlSingleQuoteEscape, YamlDoubleQuoteEscape", [
  ["#{f | HtmlEscape}|#{f | XmlEscape}", { f: "A&'b/c<>\"" }, "A&amp;&apos;b&#x2F;c&lt;&gt;&quot;|A&amp;&apos;b/c&lt;&gt;&quot;"],
  ["#{f | JsonEscape}", { f: 'T"e\r\n\t\\' }, 'T\\"e\\r\\n\\t\\\\'],
  ["#{f | YamlSingleQuoteEscape}", { f: "it's\na\r\n\r\nb" }, "it''s\n\na\r\n\r\n\r\nb"],
  ["#{f | YamlDoubleQuoteEscape}", { f: 'a"\\\t\r\n我' }, 'a\\"\\\\\\t\\r\\n\\u6211'],
]);

row("Escaping: PropertiesKeyEscape, PropertiesValueEscape, UriEscape, UriDataEscape", [
  ["#{f | PropertiesKeyEscape}", { f: " a:=\n b÷我" }, "\\ a\\:\\=\\n\\ b÷\\u6211"],
  ["#{f | PropertiesValueEscape}", { f: " a:=\n b÷我" }, "\\ a:=\\n b÷\\u6211"],
  ["#{f | UriEscape}|#{f | UriDataEscape}", { f: "A b:c+d/e" }, "A%20b:c+d/e|A%20b%3Ac%2Bd%2Fe"],
]);

row("Dates: NowDate [fmt], NowDateUtc [fmt] (default round-trip ISO form), AddHours n, AddDays n", [
  ["#{ | NowDate}|#{ | NowDateUtc}", {}, "2026-11-03T10:53:11.0940000|2026-11-03T08:53:11.0940000Z"],
  [
    '#{ | NowDate "HH dd-MMM-yyyy"}|#{ | NowDateUtc zz}|#{ | NowDate zzz}|#{ | NowDate #{F}}',
    { F: "dd-MM-yyyy" },
    "10 03-Nov-2026|+00|+02:00|03-11-2026",
  ],
  [
    "#{ | NowDate | Format Date MMM}|#{ | NowDateUtc | Format DateTimeOffset zz}|#{ | NowDate | Format DateTimeOffset zz}",
    {},
    "Nov|+00|+02",
  ],
  [
    '#{d | AddHours 2}|#{d | AddHours "1.5"}|#{d | AddHours -2}',
    { d: "2030-05-22 09:05:00" },
    "2030-05-22T11:05:00.0000000|2030-05-22T10:35:00.0000000|2030-05-22T07:05:00.0000000",
  ],
  [
    '#{d | AddDays 10 | Format "yyyy-MM-dd HH:mm:ss"}|#{d | AddDays "0.5"}',
    { d: "2030-05-22 09:05:00" },
    "2030-06-01 09:05:00|2030-05-22T21:05:00.0000000",
  ],
  ["#{d | AddHours 2}", { d: "2030-05-22T09:05:00+02:00" }, "2030-05-22T11:05:00.0000000+02:00"],
  ["#{ | NowDateUtc | AddHours 2 | Format DateTimeOffset zz}", {}, "+00"],
  [
    "#{d | AddHours}#{d | AddHours 2 3}#{d | AddDays abc}#{x | AddDays 2}#{ | AddHours 2}#{x | NowDate}",
    { d: "2030-05-22", x: "hello" },
    "#{d | AddHours}#{d | AddHours 2 3}#{d | AddDays abc}#{x | AddDays 2}#{ | AddHours 2}#{x | NowDate}",
  ],
]);

const docs = "https://octopus.com/docs?filter=faq#filters";
row("Extraction: UriPart part, all parts; errors are written into the output in brackets", [
  ...(
    [
      ["AbsolutePath", "/docs"],
      ["AbsoluteUri", docs],
      ["Authority", "octopus.com"],
      ["DnsSafeHost", "octopus.com"],
      ["Fragment", "#filters"],
      ["Host", "octopus.com"],
      ["HostAndPort", "octopus.com:443"],
      ["HostNameType", "Dns"],
      ["IsAbsoluteUri", "true"],
      ["IsDefaultPort", "true"],
      ["IsFile", "false"],
      ["IsLoopback", "false"],
      ["IsUnc", "false"],
      ["Path", "/docs"],
      ["PathAndQuery", "/docs?filter=faq"],
      ["Port", "443"],
      ["Query", "?filter=faq"],
      ["Scheme", "https"],
      ["SchemeAndServer", "https://octopus.com"],
      ["UserInfo", ""],
      ["", "[UriPart error: no argument given]"],
      ["bar", "[UriPart bar error: argument 'bar' not supported]"],
    ] as const
  ).map(([part, expected]): Row => [`#{u | UriPart ${part}}`, { u: docs }, expected]),
  [
    "#{u | UriPart UserInfo} #{u | UriPart Authority} #{u | UriPart IsLoopback}",
    { u: "http://me:secret@LocalHost:8080" },
    "me:secret localhost:8080 true",
  ],
  [
    "#{u | UriPart Host} #{u | UriPart IsAbsoluteUri}",
    { u: "/docs" },
    "[UriPart Host error: This operation is not supported for a relative URI.] false",
  ],
]);

row(
  "Extraction: VersionMajor, VersionMinor, VersionPatch, VersionRevision, VersionPreRelease, …Prefix, …Counter, VersionMetadata",
  (
    [
      ["1", "1 0 0 0 [] [] [] []"],
      ["1.2.3.4", "1 2 3 4 [] [] [] []"],
      ["1.2.3.4-branch.1+meta", "1 2 3 4 [branch.1] [branch] [1] [meta]"],
      ["V1.2.3.4-branch-hithere+meta", "1 2 3 4 [branch-hithere] [branch] [hithere] [meta]"],
      ["19.0.0.Final", "19 0 0 0 [Final] [Final] [] []"],
      ["284.0.0-debian_component_based", "284 0 0 0 [debian_component_based] [debian] [component_based] []"],
      ["latest", "0 0 0 0 [latest] [latest] [] []"],
      ["v1.2.3", "1 2 3 0 [] [] [] []"],
    ] as const
  ).map(([version, expected]): Row => [
    "#{v | VersionMajor} #{v | VersionMinor} #{v | VersionPatch} #{v | VersionRevision} [#{v | VersionPreRelease}] " +
      "[#{v | VersionPreReleasePrefix}] [#{v | VersionPreReleaseCounter}] [#{v | VersionMetadata}]",
    { v: version },
    expected,
  ]),
);

row("Hashes: Md5, Sha1, Sha256, Sha384, Sha512", [
  ["#{f | Md5}", { f: "The quick brown fox jumps over the lazy dog" }, "9e107d9d372bb6826bd81d3542a419d6"],
  [
    "#{f | Md5 3}|#{f | Md5 unicode}|#{f | Md5 utf8 4}|#{f | Md5 4 unicode}",
    { f: "The quick brown fox jumps over the lazy dog" },
    "9e107d|b0986ae6ee1eefee8a4a399090126837|9e107d9d|b0986ae6",
  ],
  ["#{f | Md5 base64}", { f: "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZw==" }, "9e107d9d372bb6826bd81d3542a419d6"],
  ["#{f | Sha1}", { f: "" }, "da39a3ee5e6b4b0d3255bfef95601890afd80709"],
  ["#{f | Sha256 8}|#{f | Sha384 8}|#{f | Sha512 8}", { f: "abc" }, "ba7816bf8f01cfea|cb00753f45a35e8b|ddaf35a193617aba"],
  ...["Md5 -1", "Md5 0", "Md5 bar", "Md5 utf8 0", "Md5 12 utf8 extra", "Md5 base64"].map((wrong): Row => [
    `#{f | ${wrong}}`,
    { f: "bar" },
    `#{f | ${wrong}}`,
  ]),
]);

row("Null: Null (always undefined)", [
  ["#{ | null}", {}, null],
  ["text #{f | Null} text", { f: "x" }, null],
  ["#{n}", { n: "#{ | Null}" }, "#{n}"],
]);

test("The reference counts 46 names; Markdown and MarkdownToHtml are one filter under two of them", () => {
  assert.equal(filters.size, 46);
  assert.equal(filters.get("markdown")?.apply, filters.get("markdowntohtml")?.apply);
});
