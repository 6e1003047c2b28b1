// What is said while a package is prepared: nothing of what is quick, then how much and how long, now and then.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sayMaking } from "./making-progress.ts";

const mebibyte = 1024 * 1024;

test("a long preparation says its amount and its time, at most each two seconds", () => {
  const said: { id: string; percentage: number; message: string }[] = [];
  const context = {
    block: "step-1/Machines-1",
    run: {
      log: {
        append: async (entries: readonly unknown[]) => {
          said.push(...(entries as typeof said));
        },
      },
    },
  };
  let nowMs = 1_000;
  const tell = sayMaking(context as never, "Web 1.2.3", () => nowMs);
  const at = (ms: number, done: number): void => {
    nowMs = 1_000 + ms;
    tell(done * mebibyte, 900 * mebibyte);
  };
  at(100, 10);
  assert.equal(said.length, 0, "it may be done in a moment");
  at(2_000, 90);
  at(3_900, 200);
  at(4_500, 225);
  at(9_000, 900);
  assert.deepEqual(
    said.map(({ id, percentage, message }) => [id, percentage, message]),
    [
      ["step-1/Machines-1", 10, "Preparing Web 1.2.3: 90 of 900 MiB, about 18 s left"],
      ["step-1/Machines-1", 25, "Preparing Web 1.2.3: 225 of 900 MiB, about 14 s left"],
    ],
  );
});

test("a task that was lost makes no noise", async () => {
  let nowMs = 0;
  const lost = { block: "b", run: { log: { append: () => Promise.reject(new Error("the lease is lost")) } } };
  const tell = sayMaking(lost as never, "Web 1.2.3", () => nowMs);
  nowMs = 5_000;
  tell(1, 2);
  await new Promise((resolve) => setImmediate(resolve)); // an unhandled rejection would end this process
});
