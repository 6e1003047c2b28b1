// What the palette offers: pages and commands that are known here, and what the server found, in one order that does not change under the hand.

import type { ToOptions } from "@tanstack/react-router";
import type { Found, FoundKind } from "../api/name-search.ts";
import { navigation } from "./navigation.ts";
import type { Theme } from "./theme.ts";

export interface PaletteEntry {
  id: string;
  name: string;
  detail: string;
  /** Leads somewhere, or does something. */
  href?: ToOptions;
  theme?: Theme;
  /** What is pressed instead of looking for it here. */
  keys?: string;
}

export interface PaletteGroup {
  id: string;
  name: string;
  entries: readonly PaletteEntry[];
}

const groups: readonly { kind: FoundKind; name: string }[] = [
  { kind: "project", name: "Projects" },
  { kind: "release", name: "Releases" },
  { kind: "environment", name: "Environments" },
  { kind: "target", name: "Targets" },
  { kind: "task", name: "Tasks" },
];

function hrefOf({ kind, id }: Found, space: string): ToOptions {
  if (kind === "project") return { to: "/app/$space/projects/$project", params: { space, project: id } };
  if (kind === "release") return { to: "/app/$space/releases/$release", params: { space, release: id } };
  if (kind === "target") return { to: "/app/$space/infrastructure/targets/$machine", params: { space, machine: id } };
  if (kind === "task") return { to: "/app/$space/tasks/$task", params: { space, task: id } };
  return { to: "/app/$space/infrastructure/targets", params: { space }, search: { environment: id } };
}

function pages(space: string): PaletteEntry[] {
  const page = (id: string, name: string, href: ToOptions, keys?: string): PaletteEntry => ({
    id: `page-${id}`,
    name,
    detail: "",
    href,
    ...(keys === undefined ? {} : { keys }),
  });
  return [
    ...navigation.map(({ to, name, key }) => page(name, name, { to, params: { space } }, `g ${key}`)),
    page("new-project", "New project", { to: "/app/$space/projects", params: { space }, search: { new: true } }),
    page("add-target", "Add target", { to: "/app/$space/infrastructure/targets/new", params: { space } }),
    page("first-steps", "First steps", { to: "/app/$space/start", params: { space } }),
    page("me", "Profile and API keys", { to: "/app/$space/me", params: { space } }),
  ];
}

const themes: readonly PaletteEntry[] = (["light", "dark", "system"] as const).map((theme) => ({
  id: `theme-${theme}`,
  name: theme === "system" ? "Theme as the system" : theme === "light" ? "Light theme" : "Dark theme",
  detail: "",
  theme,
}));

const fits = (name: string, text: string): boolean => name.toLowerCase().includes(text.toLowerCase());

/** `found` may still be of the letters before: only what fits those that stand there now is shown, but for what an id led to. */
export function paletteGroups(space: string, text: string, found: readonly Found[]): PaletteGroup[] {
  const local: PaletteGroup[] = [
    { id: "pages", name: "Pages", entries: pages(space).filter(({ name }) => fits(name, text)) },
    { id: "appearance", name: "Appearance", entries: text === "" ? [] : themes.filter(({ name }) => fits(name, text)) },
  ];
  const seen = new Set<string>();
  const fitting = found.filter((one) => {
    if (seen.has(one.id) || (one.of !== text && !fits(one.name, text) && !fits(one.id, text) && !fits(one.detail, text))) return false;
    seen.add(one.id);
    return true;
  });
  const remote = groups.map(({ kind, name }) => ({
    id: kind,
    name,
    entries: fitting
      .filter((one) => one.kind === kind)
      .map((one) => ({ id: one.id, name: one.name, detail: one.detail, href: hrefOf(one, space) })),
  }));
  return [...local, ...remote].filter(({ entries }) => entries.length > 0);
}
