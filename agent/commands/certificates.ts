// Commands about the agent's certificate.
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { createIdentity } from "@cuttle/halibut";
import { readPfx, writePfx } from "../configuration/configuration.ts";
import { instanceOptions, openChosen, restartNeeded } from "./chosen-configuration.ts";
import { type Command, CommandFailure, exitCodes, option, toggle } from "./command-line.ts";

export const certificateName = "Octopus Tentacle";
/** A container with one certificate has some kilobytes. */
const containerBytesMax = 1024 * 1024;

export const certificateCommands: readonly Command[] = [
  {
    name: "new-certificate",
    says: "Makes a new certificate for the agent",
    options: [
      ...instanceOptions,
      toggle("b|if-blank", "Only when there is none yet"),
      option("e|export-file", "Write it to a file, in base64, instead of installing it; --export-pfx is the better form"),
      option("export-pfx", "Write it to a PFX file instead of installing it"),
      option("pfx-password", "Password of the PFX file"),
    ],
    async run(given, io) {
      const target = given.text("export-pfx") ?? given.text("export-file");
      if (target !== undefined) {
        const identity = await createIdentity(certificateName);
        const container = await writePfx(identity, given.text("pfx-password") ?? "");
        const isText = given.text("export-pfx") === undefined;
        await writeFile(resolve(io.folder, target), isText ? container.toString("base64") : container, { mode: 0o600, flush: true });
        io.say(`A new certificate has been generated and written to ${target}. Thumbprint:`);
        return io.say(identity.thumbprint);
      }
      const configuration = await openChosen(given, io);
      if (given.has("if-blank") && configuration.thumbprint() !== undefined)
        return io.say("A certificate already exists, no changes will be applied.");
      const identity = await createIdentity(certificateName);
      await configuration.setIdentity(identity);
      await configuration.save();
      io.say("A new certificate has been generated and installed. Thumbprint:");
      io.say(identity.thumbprint);
      io.say(restartNeeded);
    },
  },
  {
    name: "import-certificate",
    says: "Takes the agent's certificate from a PFX file",
    options: [
      ...instanceOptions,
      toggle("r|from-registry", "Windows only"),
      option("f|from-file", "PFX file, or a file that new-certificate has exported"),
      option("b|from-base64", "The PFX as base64"),
      option("pw|pfx-password", "Password of the PFX"),
    ],
    async run(given, io) {
      if (given.has("from-registry")) throw new CommandFailure("Certificates in the registry exist on Windows only; use --from-file.");
      const file = given.text("from-file");
      const text = given.text("from-base64");
      if (file === undefined && text === undefined)
        throw new CommandFailure("Please specify a certificate to import, e.g., --from-file=FILE");
      const password = given.text("pfx-password");
      let container: Buffer;
      if (file === undefined) {
        io.say("Importing the certificate provided in base64...");
        container = Buffer.from(text!, "base64");
      } else {
        const place = resolve(io.folder, file);
        if (!existsSync(place)) throw new CommandFailure(`Certificate '${file}' was not found.`);
        const content = await readFile(place);
        if (content.length > containerBytesMax)
          throw new CommandFailure(`${file} is larger than ${containerBytesMax} bytes; it holds no certificate.`);
        // A PFX begins with an ASN.1 sequence, which no base64 text does.
        const isText = content[0] !== 0x30;
        if (isText) io.say(`Importing the certificate stored in ${file}...`);
        else
          io.say(
            `Importing the certificate stored in PFX file in ${file}${password === undefined ? "" : " using the provided password"}...`,
          );
        container = isText ? Buffer.from(content.toString("latin1"), "base64") : content;
      }
      const identity = await readPfx(container, password ?? "").catch((error: unknown) => {
        throw new CommandFailure((error as Error).message, exitCodes.unexpected);
      });
      const configuration = await openChosen(given, io);
      await configuration.setIdentity(identity);
      await configuration.save();
      io.say(`Certificate with thumbprint ${identity.thumbprint} imported successfully.`);
      io.say(restartNeeded);
    },
  },
  {
    name: "export-certificate",
    says: "Writes the agent's certificate with its key to a PFX file",
    options: [...instanceOptions, option("f|export-pfx", "The file to write"), option("pw|pfx-password", "Password of the PFX file")],
    async run(given, io) {
      const target = given.text("export-pfx");
      if (target === undefined) throw new CommandFailure("Please specify the file to write, e.g., --export-pfx=FILE");
      const identity = await (await openChosen(given, io)).identity();
      if (identity === undefined) throw new CommandFailure("There is no certificate yet; make one with new-certificate.");
      await writeFile(resolve(io.folder, target), await writePfx(identity, given.text("pfx-password") ?? ""), { mode: 0o600, flush: true });
      io.say(`The certificate was written to ${target}. Thumbprint:`);
      io.say(identity.thumbprint);
    },
  },
  {
    name: "show-thumbprint",
    says: "Prints the thumbprint of the agent's certificate",
    options: [
      ...instanceOptions,
      option("e|export-file", "Write it to a file instead"),
      toggle("thumbprint-only", "Changes nothing any more"),
      option("format", "text or json"),
    ],
    async run(given, io) {
      const thumbprint = (await openChosen(given, io)).thumbprint() ?? "";
      const text = given.text("format")?.toLowerCase() === "json" ? JSON.stringify({ Thumbprint: thumbprint }) : thumbprint;
      const target = given.text("export-file");
      if (target === undefined) return io.print(text);
      await writeFile(resolve(io.folder, target), text);
    },
  },
];
