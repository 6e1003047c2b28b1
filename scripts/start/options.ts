// The flags of `npm start`. Every port and folder that could be taken has one.
import { parseArgs } from "node:util";
import path from "node:path";

export interface StartOptions {
  /** Folder that keeps the database, keys, logs and the page between starts. Absolute. */
  home: string;
  /** Begin anew: what the home holds is removed first. */
  fresh: boolean;
  /** Deploy, check that the page answers, stop. */
  once: boolean;
  /** Folder of examples/ that is deployed. */
  example: string;
  /** When the launcher began, before anything was installed. */
  launchedAtMs: number;
  webPort: number;
  commsPort: number;
  agentPort: number;
  pagePort: number;
  /** Of the second node, when it is asked for. */
  secondWebPort: number;
  secondCommsPort: number;
}

/** A wrong flag, or the wish for help: `message` is all there is to print. */
export class UsageError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

const ports = {
  "web-port": { default: 8065, says: "REST API of the server" },
  "comms-port": { default: 10943, says: "where agents reach the server" },
  "agent-port": { default: 10933, says: "where the server reaches the agent" },
  "page-port": { default: 8066, says: "the page that gets deployed; each further environment takes the next one" },
  "second-web-port": { default: 8075, says: "REST API of the second node, when n starts it" },
  "second-comms-port": { default: 10953, says: "where agents reach that node" },
} as const;

/** The first is what a start deploys. */
const exampleNames = ["web-shop", "first-deployment"] as const;

const usage = `npm start -- [flags]
  --fresh                        begin anew: removes the database, keys and logs of earlier starts
  --once                         deploy, check that the page answers, stop everything
  --example <name>               what is deployed: ${exampleNames.join(" or ")} (${exampleNames[0]})
  --home <folder>                keep everything there instead of in .cuttle
${Object.entries(ports)
  .map(([flag, port]) => `  ${`--${flag} <number>`.padEnd(31)}${port.says} (${port.default})`)
  .join("\n")}`;

export function readOptions(args: string[], root: string): StartOptions {
  const { values } = parse(args);
  if (values.help === true) throw new UsageError(usage, 0);
  const port = (flag: keyof typeof ports): number => {
    const given = values[flag];
    if (given === undefined) return ports[flag].default;
    const number = Number(given);
    if (!Number.isInteger(number) || number < 1 || number > 65_535)
      throw new UsageError(`--${flag} takes a port from 1 to 65535, not "${given}".`, 2);
    return number;
  };
  const example = exampleNames.find((name) => name === (values.example ?? exampleNames[0]));
  if (example === undefined) throw new UsageError(`There is no example "${values.example}". There are ${exampleNames.join(" and ")}.`, 2);
  const launchedAtMs = Number(process.env["CUTTLE_LAUNCHED_AT"]) || performance.timeOrigin;
  // The programs that are started from here know no such setting.
  delete process.env["CUTTLE_LAUNCHED_AT"];
  const options: StartOptions = {
    example,
    home: path.resolve(values.home ?? path.join(root, ".cuttle")),
    fresh: values.fresh ?? false,
    once: values.once ?? false,
    launchedAtMs,
    webPort: port("web-port"),
    commsPort: port("comms-port"),
    agentPort: port("agent-port"),
    pagePort: port("page-port"),
    secondWebPort: port("second-web-port"),
    secondCommsPort: port("second-comms-port"),
  };
  const chosen = [options.webPort, options.commsPort, options.agentPort, options.pagePort, options.secondWebPort, options.secondCommsPort];
  if (new Set(chosen).size < chosen.length)
    throw new UsageError(`Six different ports are needed; these were chosen: ${chosen.join(", ")}.`, 2);
  return options;
}

function parse(args: string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({
      args,
      options: {
        fresh: flag,
        once: flag,
        help: flag,
        home: text,
        example: text,
        "web-port": text,
        "comms-port": text,
        "agent-port": text,
        "page-port": text,
        "second-web-port": text,
        "second-comms-port": text,
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`, 2);
  }
}
