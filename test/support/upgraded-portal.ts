// A build of the portal in a folder of its own that can be replaced by another one, as an upgrade of the server does: every file gets another
// name, and none of the old names is there any more.

import { cp, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

export interface UpgradablePortal {
  folder: string;
  upgrade(): Promise<void>;
  remove(): Promise<void>;
}

export async function createUpgradablePortal(built: string): Promise<UpgradablePortal> {
  const home = await mkdtemp(path.join(tmpdir(), "cuttle-portal-"));
  const folder = path.join(home, "dist");
  await copyBuild(built, folder);
  return {
    folder,
    async upgrade() {
      const next = path.join(home, "next");
      await cp(folder, next, { recursive: true });
      const assets = path.join(next, "assets");
      const names = (await readdir(assets)).filter((name) => /\.(?:js|css)$/.test(name));
      const renamed = (text: string): string => names.reduce((sum, name) => sum.replaceAll(name, newName(name)), text);
      for (const file of [path.join(next, "index.html"), ...names.map((name) => path.join(assets, name))])
        await writeFile(file, renamed(await readFile(file, "utf8")));
      for (const name of names) {
        await rename(path.join(assets, name), path.join(assets, newName(name)));
        for (const packed of ["br", "gz"]) await rm(path.join(assets, `${name}.${packed}`), { force: true });
      }
      await writeFile(path.join(next, "portal.json"), JSON.stringify({ Build: "upgraded", Sources: "" }));
      await rename(folder, path.join(home, "old"));
      await rename(next, folder);
    },
    remove: () => rm(home, { recursive: true }),
  };
}

/** Another test file may put the same build in its place at this moment. */
async function copyBuild(from: string, to: string): Promise<void> {
  for (let triesLeft = 5; ; triesLeft--) {
    try {
      return await cp(from, to, { recursive: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || triesLeft === 0) throw error;
      await rm(to, { recursive: true, force: true });
    }
  }
}

const newName = (name: string): string => name.replace(/\.(js|css)$/, ".upgraded.$1");
