// One proof of the lease for many commands at once, and never one that was asked for before the command wanted it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { askedTogether } from "./asked-together.ts";

function questions() {
  const asked: { answer: () => void; refuse: (error: Error) => void }[] = [];
  const ask = askedTogether(() => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    asked.push({ answer: resolve, refuse: reject });
    return promise;
  });
  return { asked, ask };
}

test("D4: a proof that was asked for before a command wanted one is not the command's", async () => {
  const { asked, ask } = questions();
  const first = ask();
  const later = [ask(), ask(), ask()];
  let hasLater = false;
  void later[0]!.then(() => (hasLater = true));
  asked[0]!.answer();
  await first;
  await new Promise(setImmediate);
  assert.equal(hasLater, false);
  assert.equal(asked.length, 2, "those who came meanwhile share one");
  asked[1]!.answer();
  await Promise.all(later);
  const last = ask();
  assert.equal(asked.length, 3);
  asked[2]!.answer();
  await last;
});

test("D4: a refusal goes to all who share the question, and to nobody before or after", async () => {
  const { asked, ask } = questions();
  const first = ask();
  const sharing = [ask(), ask()];
  asked[0]!.refuse(new Error("gone"));
  await assert.rejects(first, /gone/);
  await new Promise(setImmediate);
  asked[1]!.refuse(new Error("gone again"));
  for (const one of await Promise.allSettled(sharing)) assert.equal(one.status, "rejected");
  const after = ask();
  asked[2]!.answer();
  await after;
});
