// Who is at an address: a target or worker that is not saved, with the thumbprint of the agent that was found there.

import { Type } from "typebox";
import type { TSchema } from "@cuttle/contract/rest/shapes";
import { problem } from "../../../base/problems.ts";
import type { DiscoverAgent } from "../../../engine/agents/agents.ts";
import { ok, read } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import { resolveIds } from "../../../platform/resources/resources.ts";
import { readListeningUri } from "./endpoint-rules.ts";

const agentPortDefault = 10933;

const query = Type.Object({
  host: Type.String({ minLength: 1, maxLength: 253 }),
  port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
  type: Type.Optional(Type.String()),
  proxyId: Type.Optional(Type.String()),
});

export function discoveryRoute(parts: {
  path: "machines" | "workers";
  permission: "MachineCreate" | "WorkerEdit";
  answer: TSchema;
  /** Members that only targets, or only workers, have. */
  own: object;
  discoverAgent: DiscoverAgent;
}): Route {
  return read({
    path: `/${parts.path}/discover`,
    scope: "space",
    permission: parts.permission,
    query,
    answer: parts.answer,
    handler: async ({ db, space, query: wanted, signal }) => {
      const style = wanted.type || "TentaclePassive";
      if (style.toLowerCase() !== "tentaclepassive")
        throw problem.invalid(`Only listening agents can be discovered (type TentaclePassive), not '${style.slice(0, 100)}'.`);
      const bracketed = wanted.host.includes(":") && !wanted.host.startsWith("[") ? `[${wanted.host.trim()}]` : wanted.host.trim();
      const address = readListeningUri(`https://${bracketed}:${wanted.port ?? agentPortDefault}/`);
      if (address === undefined) throw problem.invalid(`'${wanted.host}' is no host name or address.`);
      const [proxyId] = wanted.proxyId ? await resolveIds(db, "proxies", "proxy", space.id, [wanted.proxyId]) : [];
      const found = await parts.discoverAgent({ ...address, proxyId: proxyId ?? null }, signal);
      if (!found.ok) throw problem.invalid(`Nobody could be discovered there: ${found.message}`);
      const uri = `https://${bracketed}:${address.port}/`;
      return ok({
        ...parts.own,
        Id: null,
        Name: address.host,
        Slug: "",
        SpaceId: space.id,
        IsDisabled: false,
        MachinePolicyId: null,
        Endpoint: {
          Id: null,
          CommunicationStyle: "TentaclePassive",
          Uri: uri,
          Thumbprint: found.thumbprint,
          ProxyId: proxyId ?? null,
          CertificateSignatureAlgorithm: null,
          TentacleVersionDetails: { UpgradeLocked: false, UpgradeRequired: false, UpgradeSuggested: false, Version: null },
          Links: {},
        },
        HealthStatus: "Unknown",
        Status: "Unknown",
        StatusSummary: "",
        HasLatestCalamari: true,
        IsInProcess: false,
        OperatingSystem: "Unknown",
        ShellName: "Unknown",
        ShellVersion: "Unknown",
        Architecture: "",
        Thumbprint: found.thumbprint,
        Uri: uri,
        SkipInitialHealthCheck: false,
        Links: {},
      });
    },
  });
}
