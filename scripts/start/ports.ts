// Whether the ports that `npm start` wants are free, asked before anything is started.
import { createServer } from "node:net";

export interface WantedPort {
  port: number;
  /** What it is for. */
  what: string;
  /** The flag that changes it. */
  flag: string;
}

/** The ports that something else listens on. */
export async function findBusyPorts(wanted: WantedPort[]): Promise<{ wanted: WantedPort; code: string }[]> {
  const busy: { wanted: WantedPort; code: string }[] = [];
  for (const each of wanted) {
    const code = await tryToListen(each.port);
    if (code !== null) busy.push({ wanted: each, code });
  }
  return busy;
}

function tryToListen(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "unknown"));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(null)));
  });
}
