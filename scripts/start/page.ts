// The page that the example deploys, seen from outside: does it answer, with which version, and how it is ended.
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { endProcess, noteProcess } from "./process-identity.ts";

const answerMsMax = 5_000;

export async function askPage(port: number): Promise<{ version: string | null; processId: number | null } | null> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(answerMsMax) });
    const version = /Version (\S+?)</.exec(await response.text())?.[1] ?? null;
    return { version, processId: Number(response.headers.get("x-page-process")) || null };
  } catch {
    return null;
  }
}

/** Ends the page that the example's scripts noted in their folder, if it is still the one that answers. Says whether there was one. */
export async function endPage(folder: string): Promise<boolean> {
  const noteFile = path.join(folder, "page.running");
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
