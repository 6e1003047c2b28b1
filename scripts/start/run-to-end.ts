// Runs one of our command lines to its end on this very Node and answers what it printed. For commands that print a line or two.
import { execFile } from "node:child_process";

const outputBytesMax = 64 * 1024;

export async function runToEnd(args: string[], limits: { msMax: number }): Promise<{ code: number; output: string }> {
  return await new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: limits.msMax, maxBuffer: outputBytesMax }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, output: code === 0 ? stdout : `${stdout}${stderr}${stderr === "" ? (error?.message ?? "") : ""}` });
    });
  });
}
