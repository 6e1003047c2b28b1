// What a browser has to fetch before it shows the dashboard for the first time, and whether that keeps within its budget. The list is made
// from the build's own record of which file needs which.
import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";

/** Kibibytes of gzip before the first view of the dashboard. */
export const budgets = { scripts: 200, styles: 25, laterPart: 70 } as const;
const firstPages = ["src/main.tsx", "src/shell/shell.tsx", "src/features/dashboard/dashboard-page.tsx"];

interface Part {
  file: string;
  imports?: string[];
  css?: string[];
  isDynamicEntry?: boolean;
}

export interface FirstView {
  scripts: { file: string; bytes: number }[];
  styles: { file: string; bytes: number }[];
}

export async function measureFirstView(folder: string): Promise<FirstView> {
  const parts = readParts(folder);
  const keys = new Set<string>();
  const add = (key: string): void => {
    if (keys.has(key)) return;
    keys.add(key);
    for (const other of parts[key]?.imports ?? []) add(other);
  };
  for (const [key, part] of Object.entries(parts)) if (firstPages.includes(key) || (key === "index.html" && part.file !== "")) add(key);
  const chosen = [...keys].map((key) => parts[key]!);
  const scripts = new Set(chosen.map((part) => part.file));
  const styles = new Set(chosen.flatMap((part) => part.css ?? []));
  const sized = (files: Set<string>) =>
    Promise.all([...files].map(async (file) => ({ file, bytes: await compressedBytes(path.join(folder, file)) })));
  return { scripts: await sized(scripts), styles: await sized(styles) };
}

/** One sentence for each budget that is exceeded. */
export async function firstViewProblems(folder: string, document: string): Promise<string[]> {
  const problems: string[] = [];
  if (!document.includes("./assets/")) problems.push("The portal's document names no script: the build is not whole.");
  const view = await measureFirstView(folder);
  const total = (files: { bytes: number }[]) => files.reduce((sum, { bytes }) => sum + bytes, 0) / 1024;
  if (total(view.scripts) > budgets.scripts)
    problems.push(
      `The first view of the dashboard needs ${total(view.scripts).toFixed(1)} KiB of scripts (gzip); the budget is ${budgets.scripts}. Load what it does not show by import().`,
    );
  if (total(view.styles) > budgets.styles)
    problems.push(
      `The first view of the dashboard needs ${total(view.styles).toFixed(1)} KiB of styles (gzip); the budget is ${budgets.styles}.`,
    );
  const first = new Set(view.scripts.map(({ file }) => file));
  for (const part of Object.values(readParts(folder))) {
    if (first.has(part.file) || !part.file.endsWith(".js")) continue;
    const bytes = await compressedBytes(path.join(folder, part.file));
    if (bytes / 1024 > budgets.laterPart)
      problems.push(
        `${part.file} is ${(bytes / 1024).toFixed(1)} KiB (gzip); the budget of a part that comes later is ${budgets.laterPart}.`,
      );
  }
  return problems;
}

function readParts(folder: string): Record<string, Part> {
  return JSON.parse(readFileSync(path.join(folder, "parts.json"), "utf8")) as Record<string, Part>;
}

async function compressedBytes(file: string): Promise<number> {
  const found = (await stat(`${file}.gz`).catch(() => undefined)) ?? (await stat(file));
  return found.size;
}
