// `npm run screenshots`: retakes the pictures of README and guides in a real browser, from a server that it starts for that. `-- task cluster` takes only
// those; `-- --both --to <folder>` takes each in both themes into another folder, to look at them.
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { openBrowser } from "../test/support/browser.ts";
import { pictures, takePicture } from "./screenshots/pictures.ts";
import type { Theme } from "./screenshots/pictures.ts";
import { startStage } from "./screenshots/stage.ts";
import { createTerminal } from "./start/terminal.ts";

const root = path.dirname(import.meta.dirname);
/** A page of text and tables; a picture beyond this has something in it that does not belong into a repository. */
const pictureBytesMax = 200 * 1024;

const { values, positionals } = parseArgs({
  options: { both: { type: "boolean", default: false }, to: { type: "string" } },
  allowPositionals: true,
});
const unknown = positionals.filter((word) => !pictures.some(({ name }) => name === word));
if (unknown.length > 0) {
  console.error(`There is no picture ${unknown.join(", ")}. There are: ${pictures.map(({ name }) => name).join(", ")}.`);
  process.exit(2);
}
const chosen = pictures.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const folder = path.resolve(values.to ?? path.join(root, "docs", "pictures"));
mkdirSync(folder, { recursive: true });

const terminal = createTerminal(process.stdout);
/** Its name is seen in logs, so it is the same each time. A second run is refused while the first one uses it. */
const home = path.join(tmpdir(), "cuttle-screenshots");
mkdirSync(home, { recursive: true });
chmodSync(home, 0o711); // as root the embedded database runs under another account, which must get through
const browser = await openBrowser();
try {
  const stage = await startStage(root, home, terminal);
  try {
    for (const picture of chosen) {
      const themes: readonly Theme[] = values.both ? ["light", "dark"] : [picture.theme];
      for (const theme of themes) {
        const file = path.join(folder, `${picture.name}${values.both ? `.${theme}` : ""}.png`);
        try {
          const content = await takePicture(browser, stage, picture, theme);
          if (content.length > pictureBytesMax) throw new Error(`It would have ${content.length} bytes, more than ${pictureBytesMax}.`);
          writeFileSync(file, content);
          terminal.say(`${path.relative(process.cwd(), file)}: ${Math.round(content.length / 1024)} kB`);
        } catch (error) {
          // The others are worth having all the same.
          terminal.say(`${path.relative(process.cwd(), file)} was not taken: ${(error as Error).message}`);
          process.exitCode = 1;
        }
      }
    }
  } finally {
    await stage.close();
  }
} finally {
  await browser.close();
  rmSync(home, { recursive: true, force: true });
}
