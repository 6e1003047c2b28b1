// Asks a server's port for agents whether it is there, before an agent is told to poll it.
import https from "node:https";
import { type CommandIo, CommandFailure, exitCodes } from "./command-line.ts";

const triesMax = 5;
const tryMsMax = 10_000;
const firstPauseMs = 100;
const pauseFactor = 2;

/** Throws CommandFailure when it does not answer. `proxies` holds variables such as HTTPS_PROXY. */
export async function checkCommunicationsPort(address: string, io: CommandIo, proxies: NodeJS.ProcessEnv): Promise<void> {
  const url = new URL(address);
  io.say(`Checking connectivity on the server communications port ${url.port}...`);
  let pauseMs = firstPauseMs;
  for (let attempt = 1; ; attempt++) {
    try {
      await shakeHands(url, proxies);
      io.say("Connected successfully");
      return;
    } catch (error) {
      const reason = error instanceof AggregateError ? (error.errors[0] as Error).message : (error as Error).message;
      if (attempt >= triesMax) {
        throw new CommandFailure(
          `Checking that server communications are open failed with message ${reason} after ${triesMax} retries.`,
          exitCodes.unexpected,
        );
      }
      io.say(
        `Checking that server communications are open failed with message ${reason}. Retrying (${attempt}/${triesMax}) in ${pauseMs / 1000} s.`,
      );
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      pauseMs *= pauseFactor;
    }
  }
}

/** The certificate is not looked at: the thumbprint to trust comes from the server's web address. */
function shakeHands(url: URL, proxies: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve, reject) => {
    const pool = new https.Agent({ rejectUnauthorized: false, proxyEnv: proxies });
    const request = https.request(new URL("/handshake", url), {
      method: "POST",
      agent: pool,
      headers: { "Content-Length": "0" },
      signal: AbortSignal.timeout(tryMsMax),
    });
    request.once("error", reject);
    request.once("response", (response) => {
      response.resume();
      const { statusCode } = response;
      if (statusCode === 200 || statusCode === 400) resolve();
      else reject(new Error(`it answered with status ${statusCode}`));
    });
    request.once("close", () => pool.destroy());
    request.end();
  });
}
