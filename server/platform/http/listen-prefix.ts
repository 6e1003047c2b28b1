// Reads the setting that says where to listen: one or more addresses such as http://*:8080/octopus, separated by commas or semicolons.

export interface ListenPrefix {
  /** Undefined listens on every address of the machine. */
  host: string | undefined;
  port: number;
  /** "/octopus", or empty. */
  virtualDirectory: string;
}

/** @throws Error that names the bad part and shows a good one */
export function readListenPrefixes(setting: string): ListenPrefix[] {
  const parts = setting
    .split(/[,;]/)
    .map((one) => one.trim())
    .filter((one) => one !== "");
  if (parts.length === 0) throw new Error("There is no address to listen on. Give one such as http://localhost:8080.");
  return parts.map((part) => {
    const match = /^http:\/\/(\*|\+|\[[0-9a-f:]+\]|[^/:*+]+)(?::(\d{1,5}))?(\/[^?#]*)?$/i.exec(part);
    const port = Number(match?.[2] ?? 80);
    if (match === null || port > 65535) {
      throw new Error(
        `'${part}' is not an address to listen on. Write it like http://localhost:8080 or http://*:8080/octopus (https needs a proxy in front).`,
      );
    }
    const host = match[1]!.replace(/^\[|\]$/g, "");
    return { host: host === "*" || host === "+" ? undefined : host, port, virtualDirectory: (match[3] ?? "").replace(/\/+$/, "") };
  });
}
