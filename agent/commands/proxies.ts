// Commands that set the proxies an agent uses: for the web address of servers, and for their port for agents.
import { changeProxy, type ProxyPurpose } from "../configuration/configuration.ts";
import { instanceOptions, openChosen } from "./chosen-configuration.ts";
import { type Command, CommandFailure, option } from "./command-line.ts";
import { readNumber } from "./settings.ts";

const portMax = 65_535;

export const proxyCommands: readonly Command[] = [
  proxyCommand("proxy", "web", "Sets the proxy on the way to servers' web addresses"),
  proxyCommand("polling-proxy", "polling", "Sets the proxy on the way to servers that are polled"),
];

function proxyCommand(name: string, purpose: ProxyPurpose, says: string): Command {
  return {
    name,
    says,
    options: [
      ...instanceOptions,
      option("proxyEnable", "true to use a proxy, false to use none"),
      option("proxyHost", "Host name of the proxy; left out for the machine's own"),
      option("proxyPort", "Port of the proxy; 80"),
      option("proxyUsername", "User name for the proxy"),
      option("proxyPassword", "Password for the proxy"),
    ],
    async run(given, io) {
      const configuration = await openChosen(given, io);
      const [enable, host, port] = [given.text("proxyEnable"), given.text("proxyHost"), given.text("proxyPort")];
      const [username, password] = [given.text("proxyUsername"), given.text("proxyPassword")];
      if ([enable, host, port, username, password].every((one) => one === undefined))
        throw new CommandFailure("Please specify whether to use a proxy, e.g., --proxyEnable=true --proxyHost=HOST");
      if (enable !== undefined && !/^(true|false)$/i.test(enable))
        throw new CommandFailure(`--proxyEnable takes true or false, not ${enable}.`);
      const said: string[] = [];
      if (port !== undefined) {
        await changeProxy(configuration, purpose, { port: readNumber(port, portMax) });
        said.push(`Proxy port set to: ${port}`);
      }
      if (username !== undefined) {
        await changeProxy(configuration, purpose, { username });
        said.push(`Proxy username set to: ${username}`);
      }
      if (password !== undefined) {
        await changeProxy(configuration, purpose, { password });
        said.push("Proxy password set to: *******");
      }
      if (enable?.toLowerCase() === "false") {
        await changeProxy(configuration, purpose, { useDefault: false, host: null });
        said.push("Proxy use is disabled");
      } else if (host !== undefined && host !== "") {
        await changeProxy(configuration, purpose, { useDefault: false, host });
        said.push(`Using custom proxy at: ${host}`);
      } else if (enable !== undefined) {
        await changeProxy(configuration, purpose, { useDefault: true, host: null });
        said.push("Using default proxy");
      }
      await configuration.save();
      for (const line of said) io.say(line);
    },
  };
}
