// The pages that an example deploys, seen from outside: does one answer, with which version, and how it is ended.
import { globSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { endProcess, noteProcess } from "./process-identity.ts";

const answerMsMax = 5_000;

export async function askPage(port: number): Promise<{ version: string | null; processId: number | null } | null> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(answerMsMax) });
    const version = /Version (\d[\w.-]*)/.exec(await response.text())?.[1] ?? null;
    return { version, processId: Number(response.headers.get("x-page-process")) || null };
  } catch {
    return null;
  }
}

/** Ends the pages that the example's scripts noted in or below their folder, those that still answer. Says whether there was one. */
export async function endPages(folder: string): Promise<boolean> {
  const notes = globSync("**/page.running", { cwd: folder });
  const ended = await Promise.all(notes.map((note) => endPage(path.join(folder, note))));
  return ended.includes(true);
}

async function endPage(noteFile: string): Promise<boolean> {
  let processId: number;
  let port: number;
  try {
    [processId, port] = readFileSync(noteFile, "utf8").trim().split(" ").map(Number) as [number, number];
  } catch {
    return false;
  }
  const answer = await askPage(port);
  const isOurs = answer !== null && answer.processId === processId;
  if (isOurs) await endProcess(noteProcess("page", processId));
  rmSync(noteFile, { force: true });
  return isOurs;
}
