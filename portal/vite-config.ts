// How the portal becomes static files: addresses relative to the document, names with hashes, no source maps, styles in files of their own
// (the server's Content-Security-Policy allows nothing inline), and a record of which libraries went in.

import { fileURLToPath } from "node:url";
import optimizeLocales from "@react-aria/optimize-locales-plugin";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vite";

const root = fileURLToPath(new URL(".", import.meta.url));

/** Writes libraries.json: the folders of the libraries whose code or files are in the build, for the list of licences. */
function listLibraries(): Plugin {
  return {
    name: "cuttle-list-libraries",
    generateBundle() {
      const folders = new Set<string>();
      for (const id of this.getModuleIds()) {
        const found = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id.replaceAll("\\", "/").replace(/^\0/, ""));
        if (found !== null) folders.add(found[1]!.slice(found[1]!.lastIndexOf("/node_modules/") + 1));
      }
      this.emitFile({ type: "asset", fileName: "libraries.json", source: `${JSON.stringify([...folders].sort(), null, 1)}\n` });
    },
  };
}

export default defineConfig({
  root,
  base: "./",
  // Filled in by the server, anew for each answer.
  html: { cspNonce: "__CUTTLE_NONCE__" },
  plugins: [react(), { ...optimizeLocales.vite({ locales: ["en-US"] }), enforce: "pre" }, listLibraries()],
  build: {
    target: ["chrome123", "edge123", "firefox121", "safari17.5"],
    assetsInlineLimit: (file) => file.endsWith(".svg"),
    manifest: "parts.json",
    modulePreload: { polyfill: false },
    sourcemap: false,
    chunkSizeWarningLimit: 2_000,
  },
});
