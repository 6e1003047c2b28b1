// Makes projects and tenants: new ones, or with `?clone=` copies of one that is there. A copy takes names from the request and all else from
// its source, in one transaction; afterwards the two have nothing in common.

import { Type } from "typebox";
import type { Static } from "@cuttle/contract/rest/shapes";
import { Project, ProjectBody } from "@cuttle/contract/rest/projects";
import { Tenant, TenantBody } from "@cuttle/contract/rest/tenants";
import { requirePermission } from "../../../platform/access/access.ts";
import type { Actor } from "../../../platform/audit/audit.ts";
import type { Transaction } from "../../../platform/database/database.ts";
import { change, created } from "../../../platform/http/http.ts";
import type { Route } from "../../../platform/http/http.ts";
import type { Document } from "../../../platform/resources/resources.ts";
import type { Secrets } from "../../../platform/secrets/secrets.ts";
import { copyChannels } from "../channels/channels.ts";
import { copyProcess } from "../processes/processes.ts";
import { projects } from "../projects/projects.ts";
import { copyTenantVariables } from "../tenant-variables/tenant-variables.ts";
import { tenants } from "../tenants/tenants.ts";
import { copyVariables } from "../variables/variables.ts";

interface Copying {
  tx: Transaction;
  secrets: Secrets;
  spaceId: string;
  actor: Actor;
  /** Id or slug. */
  source: string;
}

/** The members a client gave a value. */
function given(body: object, members: readonly string[]): object {
  return Object.fromEntries(Object.entries(body).filter(([member, value]) => members.includes(member) && (value ?? "") !== ""));
}

/** Members of the source that a copy does not take over: what is computed, and whether it is in use. */
const ownMembers = ["Id", "Name", "Slug", "Description", "IsDisabled", "Links"];
const copied = (source: Document): object => Object.fromEntries(Object.entries(source).filter(([member]) => !ownMembers.includes(member)));

async function cloneProject({ tx, secrets, spaceId, actor, source: named }: Copying, body: Static<typeof ProjectBody>): Promise<Document> {
  const source = await projects.get(tx, spaceId, named);
  const copy = await projects.create(tx, spaceId, actor, {
    ...copied(source),
    ...given(body, ["Name", "Slug", "Description", "ProjectGroupId", "LifecycleId"]),
    ClonedFromProjectId: source.Id,
  });
  const channelIds = await copyChannels(tx, { spaceId, actor, from: source.Id, to: copy.Id });
  const between = { spaceId, from: source.Id, to: copy.Id, channelIds };
  await copyProcess(tx, secrets, between);
  await copyVariables(tx, secrets, { ...between, name: String(copy["Name"]) });
  return copy;
}

async function cloneTenant({ tx, secrets, spaceId, actor, source: named }: Copying, body: Static<typeof TenantBody>): Promise<Document> {
  const source = await tenants.get(tx, spaceId, named);
  const copy = await tenants.create(tx, spaceId, actor, {
    ...copied(source),
    ...given(body, ["Name", "Slug", "Description"]),
    ClonedFromTenantId: source.Id,
  });
  await copyTenantVariables(tx, secrets, { spaceId, from: source.Id, to: copy.Id });
  return copy;
}

const query = Type.Object({ clone: Type.Optional(Type.String({ maxLength: 200 })) });

export function creationRoutes(secrets: Secrets): Route[] {
  return [
    change({
      method: "POST",
      path: "/projects",
      scope: "space",
      permission: "ProjectCreate",
      query,
      body: ProjectBody,
      answer: Project,
      handler: async ({ tx, space, actor, caller, query: { clone }, body }) => {
        if (!clone) return created(await projects.create(tx, space.id, actor, body));
        for (const permission of ["ProjectView", "ProcessView", "VariableView"] as const)
          requirePermission(caller, permission, { spaceId: space.id });
        return created(await cloneProject({ tx, secrets, spaceId: space.id, actor, source: clone }, body));
      },
    }),
    change({
      method: "POST",
      path: "/tenants",
      scope: "space",
      permission: "TenantCreate",
      query,
      body: TenantBody,
      answer: Tenant,
      handler: async ({ tx, space, actor, caller, query: { clone }, body }) => {
        if (!clone) return created(await tenants.create(tx, space.id, actor, body));
        requirePermission(caller, "TenantView", { spaceId: space.id });
        return created(await cloneTenant({ tx, secrets, spaceId: space.id, actor, source: clone }, body));
      },
    }),
  ];
}
