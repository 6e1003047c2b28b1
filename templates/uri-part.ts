// Parts of a URI under the names that .NET gives them. What cannot be answered is written into the text in brackets, as the official filter does.

const defaultPorts: { readonly [scheme: string]: number } = {
  http: 80,
  https: 443,
  ftp: 21,
  ws: 80,
  wss: 443,
  ldap: 389,
  gopher: 70,
  telnet: 23,
};
const relativeProblem = "This operation is not supported for a relative URI.";

interface Uri {
  scheme: string;
  userInfo: string;
  host: string;
  /** -1 where neither the text nor the scheme has one. */
  port: number;
  path: string;
  query: string;
  fragment: string;
}

function parseUri(text: string): Uri | undefined {
  if (/^\s*[A-Za-z]:[\\/]/.test(text))
    return {
      scheme: "file",
      userInfo: "",
      host: "",
      port: -1,
      path: escapePart(text.trim().replaceAll("\\", "/")),
      query: "",
      fragment: "",
    };
  const match = /^\s*([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/?#\\]*))?([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(text);
  if (match === null) return undefined;
  const [, schemeText = "", authority, pathText = "", query = "", fragment = ""] = match;
  const scheme = schemeText.toLowerCase();
  const [, userInfo = "", host = "", portText = ""] = /^(?:([^@]*)@)?(\[[^\]]*\]|[^:]*)(?::(\d{0,5}))?$/.exec(authority ?? "") ?? [];
  if (authority !== undefined && host === "" && authority !== "") return undefined;
  if (authority === undefined && scheme in defaultPorts) return undefined;
  const path = pathText === "" && authority !== undefined ? "/" : pathText.trimEnd();
  const port = portText === "" ? (Object.hasOwn(defaultPorts, scheme) ? (defaultPorts[scheme] ?? -1) : -1) : Number(portText);
  return {
    scheme,
    userInfo,
    host: host.toLowerCase(),
    port,
    path: escapePart(path),
    query: escapePart(query),
    fragment: escapePart(fragment),
  };
}

/** `Uri.EscapeUriString`: everything but what may stand in a URI, as UTF-8. */
export const escapeUri = (text: string): string =>
  text.toWellFormed().replace(/[^A-Za-z0-9\-_.~:/?#[\]@!$&'()*+,;=]/gu, (character) => encodeURIComponent(character));

/** The same for a part of a URI, in which what is escaped already stays. */
const escapePart = (text: string): string =>
  text
    .split(/(%[0-9A-Fa-f]{2})/)
    .map((piece, at) =>
      at % 2 === 0 ? escapeUri(piece) : /^%(?:2[DE]|3\d|[46][1-9A-F]|[57][0-9A]|5F|7E)$/i.test(piece) ? unescapeUri(piece) : piece,
    )
    .join("");

/** `Uri.EscapeDataString`: everything but letters, digits and `-_.~`. */
export const escapeUriText = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

function unescapeUri(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The part of that name, or a text in brackets that says what is wrong. */
export function uriPart(text: string, part: string): string {
  const wanted = part.toLowerCase();
  const uri = parseUri(text);
  if (wanted === "isabsoluteuri") return String(uri !== undefined);
  const read = parts.get(wanted);
  if (read === undefined) return `[UriPart ${part} error: argument '${part}' not supported]`;
  return uri === undefined ? `[UriPart ${part} error: ${relativeProblem}]` : read(uri);
}

const isDefaultPort = ({ scheme, port }: Uri): boolean =>
  port === -1 || (Object.hasOwn(defaultPorts, scheme) && port === defaultPorts[scheme]);
const authorityOf = (uri: Uri): string => (isDefaultPort(uri) ? uri.host : `${uri.host}:${uri.port}`);
const isDrive = (path: string): boolean => /^[A-Za-z]:\//.test(path);
const isIpv4 = (host: string): boolean => /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host);
const isLoopback = ({ scheme, host }: Uri): boolean =>
  (scheme === "file" && host === "") ||
  host === "localhost" ||
  host === "loopback" ||
  host === "[::1]" ||
  (isIpv4(host) && host.startsWith("127."));
const hasAuthority = ({ scheme, host }: Uri): boolean => host !== "" || scheme === "file";

function hostNameType({ scheme, host }: Uri): string {
  if (host === "") return scheme === "file" ? "Basic" : "Unknown";
  if (host.startsWith("[")) return "IPv6";
  return isIpv4(host) ? "IPv4" : "Dns";
}

const parts = new Map<string, (uri: Uri) => string>([
  ["absolutepath", ({ path }) => path],
  [
    "absoluteuri",
    (uri) =>
      `${uri.scheme}:${hasAuthority(uri) ? `//${uri.userInfo === "" ? "" : `${uri.userInfo}@`}${authorityOf(uri)}` : ""}${isDrive(uri.path) ? "/" : ""}${uri.path}${uri.query}${uri.fragment}`,
  ],
  ["authority", authorityOf],
  ["dnssafehost", ({ host }) => host.replace(/^\[|\]$/g, "")],
  ["fragment", ({ fragment }) => fragment],
  ["host", ({ host }) => host],
  ["hostandport", ({ host, port }) => (port === -1 ? host : `${host}:${port}`)],
  ["hostnametype", hostNameType],
  ["isdefaultport", (uri) => String(isDefaultPort(uri))],
  ["isfile", ({ scheme }) => String(scheme === "file")],
  ["isloopback", (uri) => String(isLoopback(uri))],
  ["isunc", ({ scheme, host }) => String(scheme === "file" && host !== "")],
  ["path", ({ path }) => (isDrive(path) ? unescapeUri(path).replaceAll("/", "\\") : unescapeUri(path))],
  ["pathandquery", ({ path, query }) => path + query],
  ["port", ({ port }) => String(port)],
  ["query", ({ query }) => query],
  ["scheme", ({ scheme }) => scheme],
  ["schemeandserver", (uri) => unescapeUri(`${uri.scheme}:${hasAuthority(uri) ? "//" : ""}${authorityOf(uri)}`)],
  ["userinfo", ({ userInfo }) => userInfo],
]);
