// The architecture as plain values: which programs, layers, areas, public files and homes there are, and which words names avoid.
// architecture-check.ts compares the tree with this; to change the architecture, change it here and write down why in docs/decisions/.

/** Each program and the other programs it may use (by package name). The libraries use nothing of ours. */
export const programs: { readonly [program: string]: readonly string[] } = {
  halibut: [],
  templates: [],
  contract: [],
  agent: ["halibut", "templates", "contract"],
  server: ["halibut", "templates", "contract"],
  portal: ["contract"],
};

/** Of the server, lowest first; a layer imports itself and what stands before it. `main` is the files directly under server/. */
export const layers = ["base", "platform", "engine", "features", "main"] as const;

/** Folders of the server outside the layers, and who may import them: migrations are leaves that only main (and tests) hand to the database. */
export const leafFolders = ["migrations", "extensions"] as const;

/** Of server/features, earliest first; an area imports itself and earlier ones. */
export const areas = ["organization", "infrastructure", "library", "projects", "runs", "operations"] as const;

/**
 * Folders of portal/src, lowest first: a folder imports itself and what stands before it; the files directly under portal/src (start and
 * routes) import all of them. One page never imports another: what two of them need stands lower.
 */
export const portalLayers = ["design", "api", "log", "shell", "features"] as const;

/** Types declared below and filled from above: open to extensions, which see nothing else of the server but base. */
export const extensionPoints = [
  "server/engine/execution/step-type.ts",
  "server/features/organization/sign-in/auth-provider.ts",
  "server/features/library/feeds/feed-type.ts",
] as const;

/** Files that other modules may import although they are not named like their folder, each with its reason. */
export const furtherPublicFiles: { readonly [file: string]: string } = {
  "server/platform/database/embedded-postgres.ts": "only a node that brings its own database loads the launcher",
};

/** Folders whose files anybody in the same program may import: small, and without a public file of their own. */
export const openFolders = ["server/base", "agent/commands"] as const;

/** Libraries that have one home, so that the rest of the code does not know them. */
export const homes: { readonly [library: string]: readonly string[] } = {
  pg: ["server/platform/database"],
  kysely: ["server/platform/database"],
  bson: ["halibut"],
  re2js: ["templates"],
  "node:tls": ["halibut"],
  "@peculiar/x509": ["halibut"],
  "@node-rs/argon2": ["server/platform/access", "server/platform/secrets"],
  pino: ["server/platform/telemetry", "server/platform/http", "server/main.ts"],
  yaml: ["server/features/runs/file-values"],
  xpath: ["server/features/runs/file-values"],
  "@xmldom/xmldom": ["server/features/runs/file-values"],
  fastify: ["server/platform/http"],
  react: ["portal"],
  vite: ["portal/vite-config.ts"],
};

/** Words that say nothing about what a thing does. `last` words are refused only where a name ends with them. */
export const bannedWords: { readonly anywhere: { readonly [word: string]: string }; readonly last: { readonly [word: string]: string } } = {
  anywhere: {
    utils: "what it works on",
    util: "what it works on",
    helpers: "its caller, or what it does",
    helper: "its caller, or what it does",
    manager: "the one thing it does (rescuer, cleaner, launcher)",
    impl: "what distinguishes it from the others",
  },
  last: {
    common: "what is in it",
    data: "what it is about",
    info: "what it tells",
  },
};

/** Where the process may end and where the environment may be read. Everything else gets its settings handed in. */
export const entryFiles = ["server/main.ts", "agent/main.ts"] as const;

/** A file past this many lines asks to be looked at; the check lists the largest, it does not fail. */
export const fileLinesWorthALook = 300;
