// A person at a keyboard in front of a page of the portal, without a mouse: every element is reached as they reach it, by Tab, so that what
// cannot be reached fails the test.

import assert from "node:assert/strict";
import type { Locator } from "playwright-core";
import type { Page } from "./browser.ts";

/** Nobody presses Tab more often than that for one element; a page has fewer stops. */
const tabsMax = 120;

export interface Keyboard {
  /** Presses Tab, or Shift+Tab when `back`, until the element has the focus. */
  reach(element: Locator, options?: { back?: boolean }): Promise<void>;
  /** Reaches it and presses Enter. */
  press(element: Locator): Promise<void>;
  /** Reaches it and presses the space bar, as one ticks a box. */
  tick(element: Locator): Promise<void>;
  /** Reaches a field, empties it and enters the text at once, as one pastes it. */
  enter(field: Locator, text: string): Promise<void>;
  /** Opens a menu or a list of choices by its button and takes the entry by its first letters. */
  choose(button: Locator, entry: string): Promise<void>;
  isOn(element: Locator): Promise<boolean>;
  /** The page with this heading is there and its heading has the focus, where reading begins. */
  arrives(heading: string | RegExp): Promise<void>;
}

export function keyboardOf(page: Page): Keyboard {
  const hasFocus = (element: Locator): Promise<boolean> =>
    element.evaluate((one: { ownerDocument: { activeElement: unknown } }) => one === one.ownerDocument.activeElement);

  const keyboard: Keyboard = {
    isOn: hasFocus,
    async reach(element, { back = false } = {}) {
      await element.waitFor();
      for (let n = 0; n < tabsMax; n++) {
        if (await hasFocus(element)) return;
        await page.keyboard.press(back ? "Shift+Tab" : "Tab");
      }
      assert.fail(`${String(element)} is not reached by ${tabsMax} presses of Tab`);
    },
    async press(element) {
      await keyboard.reach(element);
      await page.keyboard.press("Enter");
    },
    async tick(element) {
      await keyboard.reach(element);
      await page.keyboard.press("Space");
    },
    async enter(field, text) {
      await keyboard.reach(field);
      await page.keyboard.press("Control+A");
      await page.keyboard.insertText(text);
    },
    async choose(button, entry) {
      await keyboard.press(button);
      const wanted = page.locator("[role=menuitem], [role=menuitemradio], [role=option]").filter({ hasText: entry }).first();
      await wanted.waitFor();
      // Letters of the first word only: a space would press.
      for (const letter of entry.split(" ")[0]!) await page.keyboard.press(letter);
      for (let n = 0; n < tabsMax && !(await hasFocus(wanted)); n++) await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await wanted.waitFor({ state: "detached" });
    },
    async arrives(heading) {
      await page
        .locator("h1:focus")
        .filter({ hasText: heading })
        .waitFor()
        .catch(async (error: unknown) => {
          // What is there instead says whether the page or its focus did not come.
          const found = await page
            .locator("body")
            .evaluate((body) => [body.ownerDocument.activeElement?.outerHTML.slice(0, 300), body.innerText.slice(0, 2_000)]);
          throw new Error(`At ${page.url()} no heading "${heading}" has the focus: ${found.join("\n")}`, { cause: error });
        });
    },
  };
  return keyboard;
}
