// The command that tells an agent of one more node of a cluster it polls already.
import { communicationStyle, sameThumbprint } from "../configuration/configuration.ts";
import { instanceOptions, openChosen, restartNeeded } from "./chosen-configuration.ts";
import { checkServerOptions, connectToChosen, pollingProxies, serverOptions, serverThumbprint } from "./chosen-server.ts";
import { type Command, CommandFailure, option, toggle } from "./command-line.ts";
import { checkCommunicationsPort } from "./communications-port.ts";
import { chosenBy, pollingAddress } from "./registration.ts";
import { withPolledServer } from "./settings.ts";

export const pollServerCommand: Command = {
  name: "poll-server",
  says: "Adds one more server node to poll",
  options: [
    ...instanceOptions,
    ...serverOptions,
    option("server-comms-address", "Address of the server for agents that poll; its host"),
    option("server-comms-port", "Port of the server for agents that poll; 10943"),
    option("server-web-socket", "Not supported"),
    toggle("reuse-server-thumbprint", "Take thumbprint and subscription of the server that is polled already, and ask nobody"),
  ],
  async run(given, io) {
    if (given.text("server-web-socket") !== undefined)
      throw new CommandFailure("Polling over web sockets is not supported; use --server-comms-address.");
    const configuration = await openChosen(given, io);
    const servers = configuration.trustedServers();
    let thumbprint: string;
    let address: string;
    if (given.has("reuse-server-thumbprint")) {
      if (given.text("server-comms-address") === undefined)
        throw new CommandFailure("Please specify the address to poll, e.g., --server-comms-address=https://your-octopus-server:10943");
      const polled = servers.find((server) => server.style === communicationStyle.polling && server.subscriptionId !== null);
      if (polled === undefined)
        throw new CommandFailure(
          "This Tentacle polls no server yet, so there is no thumbprint to reuse. Register it with register-with first.",
        );
      thumbprint = polled.thumbprint;
      address = pollingAddress(given, "https://unused");
    } else {
      const { address: web } = checkServerOptions(given);
      address = pollingAddress(given, web);
      await checkCommunicationsPort(address, io, await pollingProxies(given, io));
      io.say(`Configuring Tentacle to poll the server at ${web}`);
      const server = await connectToChosen(given, io);
      try {
        thumbprint = await serverThumbprint(server);
      } finally {
        server.close();
      }
      const known = servers.filter((one) => sameThumbprint(one.thumbprint, thumbprint));
      if (known.length === 0) {
        throw new CommandFailure(
          `The Octopus Server with the thumbprint '${thumbprint}' is not yet trusted. \nTrust this Octopus Server using '${io.programName} configure --trust="${thumbprint}" ${chosenBy(given)}'`,
        );
      }
      if (known.every((one) => one.subscriptionId === null)) {
        const command = `${io.programName} server-comms --thumbprint="${thumbprint}" --style=TentacleActive ${chosenBy(given)} --host ${new URL(address).hostname}`;
        throw new CommandFailure(
          `This Tentacle has not been configured to connect to the specified Octopus Server as a polling Tentacle. \nReconfigure this Tentacle to poll the server using '${command}'`,
        );
      }
    }
    configuration.setTrustedServers(withPolledServer(servers, thumbprint, address, configuration));
    await configuration.save();
    io.say("Polling endpoint configured");
    io.say(restartNeeded);
  },
};
