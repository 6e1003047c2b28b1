// Compares pre-release parts of versions with a regular expression that a user wrote. Such an expression can take for ever, so it runs
// in a thread of its own that is ended when its time is over.

import { Worker } from "node:worker_threads";
import { problem } from "../../../base/problems.ts";

const matchTimeoutMs = 100;
/** Starting a thread takes this long on a busy machine; the expression's own time is measured inside. */
const threadTimeoutMs = 5_000;

const code = `
const { parentPort, workerData } = require("node:worker_threads");
const expression = new RegExp(workerData.expression);
parentPort.postMessage("started");
parentPort.postMessage(workerData.texts.map((text) => expression.test(text)));
`;

/** Whether each text fits. @throws Problem 400 for what is no expression or takes too long */
export async function matchPrereleases(expression: string, texts: readonly string[]): Promise<boolean[]> {
  const worker = new Worker(code, { eval: true, workerData: { expression, texts }, resourceLimits: { maxOldGenerationSizeMb: 32 } });
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<boolean[]>((resolve, reject) => {
      const wait = (ms: number): void => {
        clearTimeout(timer);
        timer = setTimeout(
          () =>
            reject(problem.invalid(`The pre-release tag takes longer than ${matchTimeoutMs} ms to compare. Write a simpler expression.`)),
          ms,
        );
      };
      wait(threadTimeoutMs);
      worker.on("message", (message: "started" | boolean[]) => (message === "started" ? wait(matchTimeoutMs) : resolve(message)));
      worker.once("error", () => reject(problem.invalid("The pre-release tag is no regular expression.")));
      worker.once("exit", () => reject(problem.invalid("The pre-release tag could not be compared.")));
    });
  } finally {
    clearTimeout(timer);
    await worker.terminate();
  }
}
