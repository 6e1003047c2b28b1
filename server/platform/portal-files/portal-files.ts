// The files of the web portal, as a build left them in one folder: found by path, ready compressed, with what browsers and proxies may
// keep. It knows nothing of pages: every address of the portal is answered with the same document, and the script in it does the rest.

import { createHash, randomBytes } from "node:crypto";
import { readFile, readdir, stat } from "node:fs/promises";
import path from "node:path";

/** Below this every address belongs to the portal. */
export const portalPath = "/app";
const assetsPath = `${portalPath}/assets/`;
/** Tells a page in the browser which build the server has now. */
const buildPath = `${portalPath}/portal.json`;
/** All files of a build together, compressed ones included; they are kept in memory. */
const filesBytesMax = 64 * 1024 * 1024;
/** How often at most is looked whether another build lies there. */
const lookAgainMs = 1_000;
/** Names of assets hold a hash of their content, so what a name means never changes. */
const forever = "public, max-age=31536000, immutable";
const nonceBytes = 18;

export interface PageRequest {
  /** Path and query without the virtual directory. */
  url: string;
  /** The virtual directory; empty without one. */
  linkPrefix: string;
  acceptEncoding: string;
  /** Whether the client wants a page: programs that mistook the address are better told in their own language. */
  wantsPage: boolean;
  ifNoneMatch: string | undefined;
}

export interface PageAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer | string;
}

export interface PortalFiles {
  /** Undefined when the address is none of the portal's. */
  answer(request: PageRequest): Promise<PageAnswer | undefined>;
}

interface Asset {
  type: string;
  etag: string;
  plain: Buffer;
  brotli: Buffer | undefined;
  gzip: Buffer | undefined;
}

interface Build {
  id: string;
  document: string;
  assets: ReadonlyMap<string, Asset>;
}

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
  ".png": "image/png",
  ".json": "application/json; charset=utf-8",
};

/** `folders`: where a build may lie; the first that has one counts. Nothing is read before somebody asks. */
export function createPortalFiles(parts: { folders: readonly string[]; installationId: string; now?: () => number }): PortalFiles {
  const now = parts.now ?? (() => performance.now());
  let build: Build | undefined;
  let builtAt = "";
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let looking: Promise<Build | undefined> | undefined;

  async function look(): Promise<Build | undefined> {
    for (const folder of parts.folders) {
      const found = await stat(path.join(folder, "portal.json")).catch(() => undefined);
      if (found === undefined) continue;
      const mark = `${folder} ${found.mtimeMs} ${found.ino}`;
      if (mark !== builtAt) {
        build = await readBuild(folder);
        builtAt = mark;
      }
      return build;
    }
    build = undefined;
    builtAt = "";
    return undefined;
  }

  async function current(): Promise<Build | undefined> {
    if (now() - lookedAtMs < lookAgainMs) return build;
    // A build that is being replaced is whole in a moment; until then the one before serves.
    looking ??= look()
      .catch(() => build)
      .finally(() => {
        looking = undefined;
        lookedAtMs = now();
      });
    return await looking;
  }

  return {
    async answer(request) {
      const url = request.url.split("?")[0]!;
      const own = url === "/" || url === portalPath || url.startsWith(`${portalPath}/`);
      if (!own && !request.wantsPage) return undefined;
      const found = await current();
      if (url === buildPath)
        return found === undefined
          ? notBuilt()
          : {
              status: 200,
              headers: { "content-type": types[".json"]!, "cache-control": "no-store" },
              body: JSON.stringify({ Build: found.id }),
            };
      if (found === undefined) return notBuilt();
      if (url.startsWith(assetsPath)) return assetAnswer(found.assets.get(url.slice(assetsPath.length)), request);
      return documentAnswer(found, request.linkPrefix, parts.installationId, own ? 200 : 404);
    },
  };
}

async function readBuild(folder: string): Promise<Build> {
  const { Build: id } = JSON.parse(await readFile(path.join(folder, "portal.json"), "utf8")) as { Build: string };
  const document = await readFile(path.join(folder, "index.html"), "utf8");
  const contents = new Map<string, Buffer>();
  let bytes = 0;
  for (const name of await readdir(path.join(folder, "assets"))) {
    const content = await readFile(path.join(folder, "assets", name));
    bytes += content.length;
    if (bytes > filesBytesMax) throw new Error(`The portal's files in ${folder} are larger than ${filesBytesMax} bytes.`);
    contents.set(name, content);
  }
  const assets = new Map<string, Asset>();
  for (const [name, plain] of contents) {
    if (name.endsWith(".br") || name.endsWith(".gz")) continue;
    const type = types[path.extname(name)] ?? "application/octet-stream";
    const etag = createHash("sha256").update(plain).digest("base64url").slice(0, 22);
    assets.set(name, { type, etag, plain, brotli: contents.get(`${name}.br`), gzip: contents.get(`${name}.gz`) });
  }
  return { id, document, assets };
}

function assetAnswer(asset: Asset | undefined, request: PageRequest): PageAnswer {
  if (asset === undefined) {
    // After an upgrade an open page may ask for a part of the portal it came with.
    return plainAnswer(404, "There is no such file in the portal that this server has now. Reload the page.");
  }
  const [body, encoding] = encoded(asset, request.acceptEncoding);
  const etag = `"${asset.etag}${encoding === undefined ? "" : `-${encoding}`}"`;
  const headers: Record<string, string> = { "cache-control": forever, etag, vary: "Accept-Encoding" };
  if (matches(request.ifNoneMatch, etag)) return { status: 304, headers, body: "" };
  headers["content-type"] = asset.type;
  if (encoding !== undefined) headers["content-encoding"] = encoding;
  return { status: 200, headers, body };
}

function encoded(asset: Asset, accepted: string): [Buffer, string | undefined] {
  if (asset.brotli !== undefined && accepts(accepted, "br")) return [asset.brotli, "br"];
  if (asset.gzip !== undefined && accepts(accepted, "gzip")) return [asset.gzip, "gzip"];
  return [asset.plain, undefined];
}

function accepts(header: string, encoding: string): boolean {
  return header
    .toLowerCase()
    .split(",")
    .map((part) => part.trim().split(";"))
    .some(([name, weight]) => name?.trim() === encoding && !/^\s*q=0(?:\.0*)?\s*$/.test(weight ?? ""));
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((one) => one.trim().replace(/^W\//, "") === etag || one.trim() === "*");
}

/**
 * The document is made anew for each answer: it holds the nonce under which a style may come, and what the portal has to know before it
 * can ask: where it is, which build it is, and whose cookies are its own.
 */
function documentAnswer(build: Build, linkPrefix: string, installationId: string, status: number): PageAnswer {
  const nonce = randomBytes(nonceBytes).toString("base64");
  const values: Record<string, string> = { NONCE: nonce, BASE: linkPrefix, BUILD: build.id, INSTALLATION: installationId };
  const body = build.document
    .replace(/__CUTTLE_([A-Z]+)__/g, (placeholder, name: string) => attributeText(values[name] ?? placeholder))
    .replaceAll('"./assets/', `"${attributeText(linkPrefix)}${assetsPath}`);
  return {
    status,
    headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store", "content-security-policy": contentPolicy(nonce) },
    body,
  };
}

function contentPolicy(nonce: string): string {
  return [
    "default-src 'self'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}

function attributeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function notBuilt(): PageAnswer {
  return plainAnswer(
    503,
    "This server runs, but its web portal was not built. In a checkout, run: npm run portal. The REST API answers below /api.",
  );
}

function plainAnswer(status: number, sentence: string): PageAnswer {
  return { status, headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" }, body: `${sentence}\n` };
}
