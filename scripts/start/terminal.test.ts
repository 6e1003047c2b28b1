// What `npm start` shows while something takes its time: on a terminal one moving line with how far it is, elsewhere whole lines only.
import assert from "node:assert/strict";
import { test } from "node:test";
import { amountText, createTerminal, sizeText } from "./terminal.ts";

/** A terminal that keeps what was written, and tells when a text is there. */
function createScreen(isTTY: boolean) {
  let text = "";
  const waiting: { for: string; resolve: () => void }[] = [];
  return {
    out: {
      isTTY,
      columns: 120,
      write(piece: string) {
        text += piece;
        for (const one of waiting) if (text.includes(one.for)) one.resolve();
        return true;
      },
    } as unknown as NodeJS.WriteStream,
    text: () => text,
    shows: (wanted: string) => new Promise<void>((resolve) => (text.includes(wanted) ? resolve() : waiting.push({ for: wanted, resolve }))),
  };
}

test("on a terminal the moving line says how far it is, and the last line only what it was", async () => {
  const screen = createScreen(true);
  const answer = await createTerminal(screen.out).during("Starting the server", async (tell) => {
    tell("upgrading the database, step 3 of 20");
    await screen.shows("Starting the server, upgrading the database, step 3 of 20 … ");
    return 7;
  });
  assert.equal(answer, 7);
  assert.match(screen.text(), /Starting the server: done in \d+\.\d s\n$/);
});

test("without a terminal nothing moves", async () => {
  const screen = createScreen(false);
  await createTerminal(screen.out).during("Starting the server", async (tell) => tell("step 3 of 20"));
  assert.match(screen.text(), /^Starting the server …\nStarting the server: done in \d+\.\d s\n$/);
});

test("an amount says what is left once its pace says something", () => {
  assert.equal(amountText(1, 3, String), "1 of 3");
  assert.equal(amountText(300, 1_000, String, 3_000), "300 of 1000, about 7 s left");
  assert.equal(amountText(10, 1_000, String, 3_000), "10 of 1000");
  assert.equal(amountText(1_000, 1_000, String, 3_000), "1000 of 1000");
  assert.equal(amountText(512, 3 * 1024 * 1024, sizeText), "512 bytes of 3.0 MiB");
});
