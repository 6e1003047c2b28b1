// What makes the host of a proxy valid: pure checks of what a client sent.

/** Longest host name there is. */
const hostCharactersMax = 253;

/** The host in lower case, without brackets around an IPv6 address. Undefined for anything that is more or less than a host. */
export function readProxyHost(text: string): string | undefined {
  const plain = text.trim();
  if (plain === "" || plain.length > hostCharactersMax || /[/?#@\\\s]/.test(plain)) return undefined;
  const host = plain.includes(":") && !plain.startsWith("[") ? `[${plain}]` : plain;
  try {
    const url = new URL(`http://${host}/`);
    return url.port === "" && url.hostname !== "" ? url.hostname.replace(/^\[|\]$/g, "") : undefined;
  } catch {
    return undefined;
  }
}

/** Why a user name cannot be sent to a proxy; undefined when it can. Basic authentication ends the name at its first colon. */
export function faultOfUsername(username: string): string | undefined {
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be in it
  return /[:\u0000-\u001f\u007f]/.test(username) ? "Username must not contain a colon or control characters." : undefined;
}
