// The prelude against the real bash: whatever a value holds, the script reads exactly that.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { composeBashScript } from "./script-body.ts";
import { readServiceMessage } from "./service-messages.ts";

function runBash(script: string): string {
  const { stdout, stderr, status } = spawnSync("/bin/bash", ["-s"], { input: script, encoding: "utf8", timeout: 10_000 });
  assert.equal(status, 0, stderr);
  return stdout;
}

const awkward = [
  "plain",
  "",
  "two\nlines\n",
  "'; echo owned; '",
  '"$(touch owned)" `id` $HOME \\x41 \\',
  "über 文字 🚀 \u0001\u001b[31m\ttab",
  "\\",
  "a'b\"c",
  "!! *? [a] {b,c} ~ # &|;<>",
  "f1f2\u00e9ab",
];

test("a script reads every value exactly as it was set", () => {
  const variables = awkward.map((value, n) => ({ name: `Value.${n}`, value }));
  const body = awkward.map((_, n) => `printf '%s' "$(get_octopusvariable Value.${n}; printf x)" | base64 | tr -d '\\n'; echo`).join("\n");
  const read = runBash(composeBashScript(variables, body))
    .trimEnd()
    .split("\n")
    .map((line) => Buffer.from(line, "base64").toString("utf8").slice(0, -1));
  assert.deepEqual(read, awkward);
});

test("names compare ignoring case, may hold anything, and an unknown one is empty", () => {
  const script = composeBashScript(
    [
      { name: "Octopus.Release.Number", value: "1.2.3" },
      { name: "odd) echo name ;;*", value: "odd" },
      { name: "[a-z]", value: "no pattern" },
    ],
    `echo "$(get_octopusvariable oCTOPUS.release.NUMBER)|$(get_octopusvariable 'odd) echo name ;;*')|$(get_octopusvariable b)|$(get_octopusvariable nothing)|"
     case A in a) echo matched ;; *) echo "case matters again" ;; esac`,
  );
  assert.equal(runBash(script), "1.2.3|odd|||\ncase matters again\n");
});

test("an artifact is announced by the whole path of its file, with its name and length; one that is not there fails", () => {
  const decoded = (text: string): string[] =>
    [...text.matchAll(/(\w+)='([^']*)'/g)].map(([, key, value]) => `${key}=${Buffer.from(value!, "base64").toString("utf8")}`);
  const printed = runBash(
    composeBashScript(
      [],
      `cd /tmp && d="$(mktemp -d)" && cd "$d" && printf 12345 >"a ü'b.txt" && new_octopusartifact "a ü'b.txt" && new_octopusartifact "$PWD/a ü'b.txt" "other" && pwd
       new_octopusartifact gone 2>&1 || echo "failed $?"; rm -r "$d"`,
    ),
  ).trimEnd();
  const lines = printed.split("\n");
  const folder = lines.find((line) => line.startsWith("/tmp/"))!;
  const messages = lines.filter((line) => line.startsWith("##octopus[createArtifact"));
  assert.deepEqual(messages.map(decoded), [
    [`path=${folder}/a ü'b.txt`, "name=a ü'b.txt", "length=5"],
    [`path=${folder}/a ü'b.txt`, "name=other", "length=5"],
  ]);
  assert.deepEqual(lines.slice(-2), ["There is no file 'gone' to make an artifact of.", "failed 1"]);
});

test("what is said is carried byte by byte, short or long, also by a script that stops at every failure", () => {
  const values = [...awkward, "a", "ab", "abc", "é", "文字", "\u{1f680}x", "0123456789".repeat(59), "ü".repeat(400), "x".repeat(70_000)];
  const variables = values.map((value, n) => ({ name: `Value.${n}`, value }));
  const body = values
    .map((_, n) => `value="$(get_octopusvariable Value.${n}; printf x)"; set_octopusvariable "Näme ${n}" "\${value%x}"`)
    .join("\n");
  const said = runBash(composeBashScript(variables, `set -euo pipefail\n${body}`))
    .trimEnd()
    .split("\n")
    .map((line) => readServiceMessage(line));
  assert.deepEqual(
    said.map((message) => [message?.name, message?.attributes.get("name"), message?.attributes.get("value")]),
    values.map((value, n) => ["setVariable", `Näme ${n}`, value]),
  );
});

test("a value of a megabyte and a script with Windows line ends are carried whole", () => {
  const value = "0123456789abcdef".repeat(65_536);
  assert.equal(
    runBash(composeBashScript([{ name: "Big", value }], "get_octopusvariable Big | wc -c\r\necho done\r\n")).replaceAll(" ", ""),
    "1048576\ndone\n",
  );
});

test("the same values give the same bytes, so that a repeated start is the same start", () => {
  const variables = [{ name: "A", value: "1" }];
  assert.equal(composeBashScript(variables, "echo"), composeBashScript(variables, "echo"));
});

test("parameters are the script's arguments, as bash reads them", () => {
  assert.equal(runBash(composeBashScript([], 'printf "%s|" "$#" "$@"', "one 'two words' \"$((1+2))\"\n four")), "4|one|two words|3|four|");
  assert.equal(runBash(composeBashScript([], 'printf "%s" "$#"', " ")), "0");
});

test("artifacts, progress and outputs are said by service messages", () => {
  const script = `cd "$(mktemp -d)"; printf abc > "a b.txt"; new_octopusartifact "a b.txt" "it's"; new_octopusartifact "$PWD/a b.txt"
    update_progress 50 "half way"; set_octopusvariable Key "x y" -sensitive; write_wait soon; new_octopusartifact nothing 2>/dev/null || echo refused; rm "a b.txt"; rmdir "$PWD"`;
  const lines = runBash(composeBashScript([], script)).trimEnd().split("\n");
  const said = lines.flatMap((line) => readServiceMessage(line) ?? []).map(({ name, attributes }) => [name, ...attributes.values()]);
  const [first, second] = said;
  assert.deepEqual([first?.[0], first?.[2], first?.[3]], ["createArtifact", "it's", "3"]);
  assert.match(String(first?.[1]), /^\/.*\/a b\.txt$/);
  assert.deepEqual(second, ["createArtifact", first?.[1], "a b.txt", "3"]);
  assert.deepEqual(said.slice(2), [
    ["progress", "50", "half way"],
    ["setVariable", "Key", "x y", "True"],
    ["stdout-wait"],
    ["stdout-default"],
  ]);
  assert.equal(lines.at(-1), "refused");
});

test("a script that stops at names without a value may use all functions", () => {
  const body =
    "set -euo pipefail\nset_octopusvariable A b\nset_octopusvariable A b -sensitive\nget_octopusvariable none\nfail_step() { :; }\necho end";
  assert.match(runBash(composeBashScript([], body)), /end\n$/);
});
