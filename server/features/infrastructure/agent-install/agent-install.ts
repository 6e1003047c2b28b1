// Adding a target by one pasted line: tokens that are good for one machine, the script and the archive that the line fetches, and what the
// machine says meanwhile. The transaction that registers the machine spends the token, so a token registers one machine or none.

import { Type } from "typebox";
import {
  InstallRegistrationBody,
  InstallSettings,
  InstallStageBody,
  InstallState,
  InstallStateBody,
  InstallToken,
  InstallTokenBody,
  NewInstallToken,
  tokenCharactersMax,
} from "@cuttle/contract/rest/install-tokens";
import { page } from "@cuttle/contract/rest/shapes";
import { Problem, problem } from "../../../base/problems.ts";
import { requirePermission } from "../../../platform/access/access.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import { recordEvent } from "../../../platform/audit/audit.ts";
import { nextId } from "../../../platform/database/database.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { ask, change, created, nothing, ok, plainText, read, readByteRange } from "../../../platform/http/http.ts";
import type { Answer, Route } from "../../../platform/http/http.ts";
import { listQuery, pageOf, pageWanted, resolveIds } from "../../../platform/resources/resources.ts";
import type { Resource } from "../../../platform/resources/resources.ts";
import { hashInstallToken, newInstallToken } from "../../../platform/secrets/secrets.ts";
import { readSubscription } from "../endpoints/endpoints.ts";
import type { AskForHealthCheck } from "../endpoints/endpoints.ts";
import type { AgentArchives } from "./agent-archives.ts";
import { installLine, installScript, refusingScript, shellWord, waitingScript } from "./install-script.ts";
import * as store from "./install-token-store.ts";
import type { InstallTokenRow } from "./install-token-store.ts";
import { currentState, knownStages } from "./install-state.ts";

export { createAgentArchives } from "./agent-archives.ts";
export type { AgentArchive, AgentArchives } from "./agent-archives.ts";

/** Long enough to walk over to the machine, short enough that a forgotten one opens nothing. */
const lifetimeMinutesDefault = 60;
/** What became of a token can be looked up for so long. */
const keptMs = 30 * 24 * 60 * 60_000;
/** A script that makes tokens without using them is told so. */
const usableTokensMax = 500;
/** A machine that tries again all day says four things each time. */
const stagesMax = 100;
const agentServerPortDefault = 10_943;

export interface AgentInstallParts {
  archives: AgentArchives;
  machines: Resource;
  /** The cluster's certificate as agents know it. */
  certificate: { thumbprint: string };
  /** Where this node waits for polling agents. */
  commsPort: number;
  askForHealthCheck: AskForHealthCheck;
}

function present(row: InstallTokenRow) {
  const self = `/api/${row.space_id}/machines/install-tokens/${row.id}`;
  return {
    Id: row.id,
    SpaceId: row.space_id,
    CommunicationStyle: row.communication_style,
    EnvironmentIds: row.environment_ids,
    Roles: row.roles,
    MachineName: row.machine_name,
    MachinePolicyId: row.machine_policy_id,
    CommsAddress: row.comms_address,
    CreatedBy: row.username,
    Created: row.created_at,
    Expires: row.expires_at,
    ...currentState(row),
    Stages: knownStages(row),
    MachineId: row.machine_id,
    Links: { Self: self, ...(row.machine_id === null ? {} : { Machine: `/api/${row.space_id}/machines/${row.machine_id}` }) },
  };
}

async function getToken(db: Queryable, spaceId: string, id: string): Promise<InstallTokenRow> {
  const row = await store.findInstallToken(db, spaceId, id);
  if (row === undefined) throw problem.notFound("install token", id);
  return row;
}

/** @throws Problem 401 for an unknown token, 403 for a late or revoked one, 409 for one that another machine has used */
function requireUsable(row: InstallTokenRow | undefined, thumbprint: string | null): InstallTokenRow {
  const another = "Make a new one on the page Add target.";
  if (row === undefined) throw new Problem(401, `This install token is not known. Copy the whole line again, or make a new one.`);
  if (row.revoked_at !== null) throw new Problem(403, `This install token was revoked. ${another}`);
  if (row.spent_at !== null && (row.thumbprint !== thumbprint || row.machine_id === null)) {
    const who = row.registered_name === null ? "a machine that is deleted by now" : `the machine ${row.registered_name}`;
    throw new Problem(409, `This install token was used already, by ${who}. A token is good for one machine. ${another}`);
  }
  // A machine that was registered in time may come to its end.
  if (row.spent_at === null && row.is_expired)
    throw new Problem(403, `This install token could be used until ${row.expires_at.toISOString()}; that is over. ${another}`);
  if (!row.is_active) throw new Problem(403, `The user who made this install token may not act any more. ${another}`);
  requirePermission(callerOf(row), "MachineCreate", { spaceId: row.space_id });
  return row;
}

const callerOf = (row: InstallTokenRow) => ({
  userId: row.created_by,
  username: row.username,
  isAdministrator: row.is_administrator,
});
/** A machine acts for whoever made its token. */
const actorOf = (row: InstallTokenRow): Actor => ({ userId: row.created_by, username: row.username });

/** @throws Problem 400 */
function readCommsAddress(text: string | null | undefined): string | null {
  if (text === undefined || text === null || text.trim() === "") return null;
  const url = URL.parse(`https://${text.trim()}/`);
  if (url === null || url.hostname === "" || url.pathname !== "/" || url.search !== "" || url.username !== "")
    throw problem.invalid("CommsAddress must look like cuttle.example.com:10943.");
  return `${url.hostname}:${url.port === "" ? (text.trim().endsWith(":443") ? 443 : agentServerPortDefault) : url.port}`;
}

export function agentInstallRoutes(parts: AgentInstallParts): Route[] {
  const { archives, machines, certificate, askForHealthCheck } = parts;

  const commsAddressOf = (row: { comms_address: string | null }, origin: string): string =>
    row.comms_address ?? `${new URL(origin).hostname}:${parts.commsPort}`;

  function registerWithLine(row: InstallTokenRow, environments: readonly string[], origin: string): string {
    const polls = row.communication_style === "TentacleActive";
    const [host, port] = splitAddress(commsAddressOf(row, origin));
    return [
      "Tentacle register-with --instance Tentacle",
      `--server ${shellWord(origin)} --apiKey ${shellWord("API-YOUR-KEY")}`,
      ...environments.map((name) => `--environment ${shellWord(name)}`),
      ...row.roles.map((role) => `--role ${shellWord(role)}`),
      ...(row.machine_name === null ? [] : [`--name ${shellWord(row.machine_name)}`]),
      `--comms-style ${row.communication_style}`,
      ...(polls ? [`--server-comms-address ${shellWord(`https://${host}`)} --server-comms-port ${port}`] : []),
    ].join(" ");
  }

  /** The machine of the token, new, or one of its name with the same agent, as a second token for one machine finds it. */
  async function saveMachine(
    tx: Transaction,
    row: InstallTokenRow,
    sent: { Thumbprint: string; Uri: string; MachineName: string },
  ): Promise<{ Id: string; Name: string }> {
    const name = row.machine_name ?? sent.MachineName;
    const actor = actorOf(row);
    const body = {
      Name: name,
      EnvironmentIds: row.environment_ids,
      Roles: row.roles,
      MachinePolicyId: row.machine_policy_id,
      Endpoint: { CommunicationStyle: row.communication_style, Uri: sent.Uri, Thumbprint: sent.Thumbprint },
    };
    const [same] = await machines.all(tx, row.space_id, { name });
    if (same === undefined || same["CertificateThumbprint"] !== sent.Thumbprint) {
      const made = await machines.create(tx, row.space_id, actor, body);
      return { Id: made.Id, Name: name };
    }
    const saved = await machines.update(tx, row.space_id, actor, same.Id, { ...body, MachinePolicyId: same["MachinePolicyId"] });
    await askForHealthCheck(tx, { id: saved.Id, name, spaceId: row.space_id }, actor);
    return { Id: saved.Id, Name: name };
  }

  const tokenRoutes: Route[] = [
    read({
      path: "/machines/install-tokens",
      scope: "space",
      permission: "MachineCreate",
      query: Type.Object(listQuery),
      answer: page(InstallToken),
      handler: async ({ db, space, query }) => {
        const wanted = pageWanted(query);
        const { rows, total } = await store.listInstallTokens(db, space.id, wanted);
        const path = `/api/${space.id}/machines/install-tokens`;
        return ok(pageOf({ itemType: "InstallToken", items: rows.map(present), total, wanted, path, query }));
      },
    }),
    read({
      path: "/machines/install-tokens/{id}",
      scope: "space",
      permission: "MachineCreate",
      answer: InstallToken,
      handler: async ({ db, space, params }) => ok(present(await getToken(db, space.id, params.id))),
    }),
    change({
      method: "POST",
      path: "/machines/install-tokens",
      scope: "space",
      permission: "MachineCreate",
      body: InstallTokenBody,
      answer: NewInstallToken,
      answerHoldsSecret: true,
      handler: async ({ tx, space, actor, caller, body, origin }) => {
        const faults: string[] = [];
        const roles = [...new Set(body.Roles.map((role) => role.trim()).filter((role) => role !== ""))];
        if (body.EnvironmentIds.length === 0) faults.push("Name at least one environment (EnvironmentIds).");
        if (roles.length === 0) faults.push("Name at least one target tag (Roles).");
        if (faults.length > 0) throw problem.invalid(faults);
        if (caller.userId === null) throw problem.notSignedIn();
        if ((await store.countUsableTokens(tx, space.id)) >= usableTokensMax)
          throw problem.invalid(`A space may have ${usableTokensMax} unused install tokens at most. Revoke some.`);
        const environmentIds = await resolveIds(tx, "environments", "environment", space.id, [...new Set(body.EnvironmentIds)]);
        const [policyId] = body.MachinePolicyId
          ? await resolveIds(tx, "machine_policies", "machine policy", space.id, [body.MachinePolicyId])
          : [];
        const text = newInstallToken();
        const { id } = await nextId(tx, "InstallTokens");
        await store.insertInstallToken(tx, {
          id,
          spaceId: space.id,
          hash: hashInstallToken(text),
          style: body.CommunicationStyle ?? "TentaclePassive",
          environmentIds,
          roles,
          machineName: body.MachineName?.trim() || null,
          machinePolicyId: policyId ?? null,
          commsAddress: readCommsAddress(body.CommsAddress),
          createdBy: caller.userId,
          lifeMs: (body.LifetimeMinutes ?? lifetimeMinutesDefault) * 60_000,
          keptMs,
        });
        const row = await getToken(tx, space.id, id);
        await recordEvent(tx, {
          spaceId: space.id,
          category: "Created",
          actor,
          message: `Install token ${id} was created for roles ${roles.join(", ")}; it can be used until ${row.expires_at.toISOString()}`,
          relatedDocumentIds: [id, ...environmentIds],
        });
        const names = await store.namesOfEnvironments(tx, environmentIds);
        return created({
          ...present(row),
          Token: text,
          ShellLine: installLine(origin, text),
          RegisterWithLine: registerWithLine(row, names, origin),
        });
      },
    }),
    change({
      method: "DELETE",
      path: "/machines/install-tokens/{id}",
      scope: "space",
      permission: "MachineCreate",
      answer: "nothing",
      handler: async ({ tx, space, actor, params }) => {
        const row = await getToken(tx, space.id, params.id);
        if (!(await store.revokeToken(tx, row.id))) {
          if (row.revoked_at !== null) return nothing();
          throw problem.invalid(
            `Install token ${row.id} was used already, so there is nothing to revoke. Delete or disable the machine instead.`,
          );
        }
        await recordEvent(tx, {
          spaceId: space.id,
          category: "Deleted",
          actor,
          message: `Install token ${row.id} was revoked`,
          relatedDocumentIds: [row.id],
        });
        return nothing();
      },
    }),
  ];

  const machineRoutes: Route[] = [
    read({
      path: "/agent/install",
      scope: "system",
      permission: "anyone",
      query: Type.Object({ token: Type.Optional(Type.String({ maxLength: tokenCharactersMax })) }),
      answer: "text",
      handler: async ({ db, query, origin, accept }) => {
        // Told before anything is downloaded. A token that comes by itself is checked by its first stage.
        if (query.token !== undefined) {
          const row = await store.findTokenByHash(db, hashInstallToken(query.token));
          try {
            requireUsable(row, row?.thumbprint ?? null);
          } catch (error) {
            // A shell cannot read an error document, and curl -f gives it nothing at all: it gets a script that says why, and fails.
            if (!(error instanceof Problem) || accept.includes("json")) throw error;
            return plainText(refusingScript(origin, error.message));
          }
        }
        const known = await archives.list();
        return plainText(known.length === 0 ? waitingScript(origin, query.token) : installScript(origin, known, query.token));
      },
    }),
    read({
      path: "/agent/download/{file}",
      scope: "system",
      permission: "anyone",
      answer: "file",
      handler: async ({ params, range }) => {
        const archive = (await archives.list()).find(({ file }) => file === params.file);
        if (archive === undefined) throw problem.notFound("agent archive", params.file);
        return downloadArchive(archives, archive, range);
      },
    }),
    change({
      method: "POST",
      path: "/agent/install/stages",
      scope: "system",
      permission: "anyone",
      body: InstallStageBody,
      answer: InstallSettings,
      handler: async ({ tx, body, origin }) => {
        const thumbprint = body.Thumbprint ? body.Thumbprint.toUpperCase() : null;
        const row = requireUsable(await store.lockTokenByHash(tx, hashInstallToken(body.Token)), thumbprint);
        if (row.stages.length >= stagesMax) throw new Problem(403, `This install token was tried too often. Make a new one.`);
        const message = (body.Message ?? "").trim();
        await store.appendStage(tx, row.id, body.Stage, message);
        await recordEvent(tx, {
          spaceId: row.space_id,
          category: "Modified",
          actor: actorOf(row),
          message: `Install token ${row.id}: ${body.Stage.toLowerCase()}${message === "" ? "" : ` (${message.slice(0, 500)})`}`,
          relatedDocumentIds: [row.id],
        });
        return ok({
          CommunicationStyle: row.communication_style,
          MachineName: row.machine_name,
          ServerThumbprint: certificate.thumbprint,
          CommsAddress: commsAddressOf(row, origin),
          IsRegistered: row.spent_at !== null,
        });
      },
    }),
    change({
      method: "POST",
      path: "/agent/install/register",
      scope: "system",
      permission: "anyone",
      body: InstallRegistrationBody,
      answer: InstallState,
      handler: async ({ tx, body }) => {
        const thumbprint = body.Thumbprint.toUpperCase();
        const hash = hashInstallToken(body.Token);
        const row = requireUsable(await store.lockTokenByHash(tx, hash), thumbprint);
        // The answer to its first registration was lost on the way.
        if (row.spent_at !== null) return ok(presentState(row));
        if (row.communication_style === "TentacleActive" && readSubscription(body.Uri) === undefined)
          throw problem.invalid("This token is for an agent that polls; Uri must look like poll://0123456789abcdefghij/.");
        const machine = await saveMachine(tx, row, { Thumbprint: thumbprint, Uri: body.Uri, MachineName: body.MachineName });
        await store.spendToken(tx, row.id, { thumbprint, machineId: machine.Id });
        await store.appendStage(tx, row.id, "Registered", `As ${machine.Name}`);
        await recordEvent(tx, {
          spaceId: row.space_id,
          category: "Modified",
          actor: actorOf(row),
          message: `Install token ${row.id} was used by machine ${machine.Name}`,
          relatedDocumentIds: [row.id, machine.Id],
        });
        return ok(presentState((await store.findTokenByHash(tx, hash))!));
      },
    }),
    ask({
      path: "/agent/install/state",
      scope: "system",
      permission: "anyone",
      body: InstallStateBody,
      answer: InstallState,
      handler: async ({ db, body }) => {
        const row = await store.findTokenByHash(db, hashInstallToken(body.Token));
        return ok(presentState(requireUsable(row, row?.thumbprint ?? null)));
      },
    }),
  ];
  return [...tokenRoutes, ...machineRoutes];
}

function presentState(row: InstallTokenRow) {
  return { ...currentState(row), MachineId: row.machine_id, MachineName: row.registered_name ?? row.machine_name };
}

function splitAddress(address: string): [string, string] {
  const at = address.lastIndexOf(":");
  return [address.slice(0, at), address.slice(at + 1)];
}

function downloadArchive(
  archives: AgentArchives,
  archive: Awaited<ReturnType<AgentArchives["list"]>>[number],
  range: { wanted: string | undefined; unless: string | undefined },
): Answer {
  const etag = `"${archive.sha256}"`;
  const wanted = range.unless === undefined || range.unless === etag ? readByteRange(range.wanted, archive.bytes) : "whole";
  if (wanted === "unsatisfiable")
    throw new Problem(416, `The archive has ${archive.bytes} bytes; the range that was asked for begins after its end.`);
  const { from, to } = wanted === "whole" ? { from: 0, to: archive.bytes } : wanted;
  return {
    status: wanted === "whole" ? 200 : 206,
    body: archives.open(archive, from, to),
    contentType: "application/gzip",
    headers: {
      "content-length": String(to - from),
      "content-disposition": `attachment; filename="${archive.file}"`,
      "accept-ranges": "bytes",
      etag,
      ...(wanted === "whole" ? {} : { "content-range": `bytes ${from}-${to - 1}/${archive.bytes}` }),
    },
  };
}
