// Links of the older kind, such as /app#/Spaces-1/tasks/ServerTasks-7 in mails and chats, to the addresses of this portal.

/** The path below /app that an old hash means; undefined when it is none. */
export function pathOfOldLink(hash: string): string | undefined {
  if (!hash.startsWith("#/")) return undefined;
  const [path = ""] = hash.slice(2).split("?");
  const parts = path.split("/").filter((part) => part !== "");
  const space = /^Spaces-\d+$/i.test(parts[0] ?? "") ? parts.shift() : undefined;
  const start = space === undefined ? "" : `/${space}`;
  const [kind, id] = parts;
  if (kind === undefined) return start;
  if (kind === "projects" && id !== undefined) {
    const rest = parts.slice(2);
    const at = rest.indexOf("releases");
    const version = at === -1 ? undefined : rest[at + 1];
    const page = rest[0] === "variables" ? "/variables" : rest.includes("process") ? "/process" : "";
    return `${start}/projects/${id}${version === undefined ? page : `/releases/${version}`}`;
  }
  if (kind.toLowerCase() === "projectgroups") return `${start}/projects`;
  if (kind === "tasks" && id !== undefined) return `${start}/tasks/${id}`;
  if (kind === "infrastructure" && id === "environments") return `${start}/infrastructure/environments`;
  if (kind === "infrastructure" && id === "machines") {
    const machine = parts[2];
    return `${start}/infrastructure/targets${machine === undefined ? "" : `/${machine}`}`;
  }
  return `${start}/${parts.join("/")}`;
}
