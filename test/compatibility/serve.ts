// `npm run serve:compat`: an empty server on this machine for the tests of clients. Prints one line of JSON with its address and an
// administrator's key once it answers; Ctrl-C, SIGTERM or the end of this process takes it away with everything it stored.
// `-- --agent` starts an agent beside it that trusts it, for clients that deploy; the line then says where it listens.
import { clusterApiKey, createCluster } from "../support/cluster.ts";

const [unknown] = process.argv.slice(2).filter((word) => word !== "--agent");
if (unknown !== undefined) {
  process.stderr.write(`serve:compat knows only --agent, not ${unknown}.\n`);
  process.exit(2);
}
const withAgent = process.argv.includes("--agent");

const cluster = await createCluster();
const asked = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
});
try {
  const server = await cluster.server({ name: "compat" });
  const { url, thumbprint } = await server.start();
  let agent: object = {};
  if (withAgent) {
    const started = await cluster.agent({ name: "target", trust: thumbprint });
    agent = { agent: { uri: `https://127.0.0.1:${started.port}/`, thumbprint: (await started.start()).thumbprint } };
  }
  process.stdout.write(`${JSON.stringify({ url, apiKey: clusterApiKey, ...agent })}\n`);
  const ended = await Promise.race([asked, server.ended().then(() => server.lastWords())]);
  if (typeof ended === "string") {
    process.stderr.write(`The server ended by itself:\n${ended}\n`);
    process.exitCode = 1;
  }
} finally {
  await cluster.close();
}
process.exit();
