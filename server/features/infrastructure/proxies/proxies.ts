// Proxies between the server and listening agents. The password is kept encrypted and leaves through no answer.

import { randomUUID } from "node:crypto";
import { Proxy, ProxyBody } from "@cuttle/contract/rest/proxies";
import { problem } from "../../../base/problems.ts";
import type { Queryable, Transaction } from "../../../platform/database/database.ts";
import { forgetSecret, keepSecret, readKeptSecrets } from "../../../platform/kept-secrets/kept-secrets.ts";
import { defineResource } from "../../../platform/resources/resources.ts";
import type { Resource, Save } from "../../../platform/resources/resources.ts";
import type { Secrets } from "../../../platform/secrets/secrets.ts";
import { findProxyRow } from "./proxy-store.ts";
import { faultOfUsername, readProxyHost } from "./proxy-rules.ts";

const portMax = 65_535;
/** Proxies know no longer ones; more would be a mistake in what was pasted. */
const passwordCharactersMax = 1_000;

export function defineProxies(secrets: Secrets): Resource {
  return defineResource({
    kind: "Proxy",
    collection: "Proxies",
    path: "proxies",
    table: {
      name: "proxies",
      orderBy: "lower(r.name)",
      slug: false,
      fields: {
        Name: { column: "name" },
        Host: { column: "host" },
        Port: { column: "port" },
        Username: { column: "username", empty: "" },
        PasswordSecretId: { column: "password_secret_id", empty: null, readOnly: true },
      },
    },
    answer: Proxy,
    body: ProxyBody,
    permissions: { view: "ProxyView", create: "ProxyCreate", edit: "ProxyEdit", delete: "ProxyDelete" },
    present: (document) =>
      Object.assign(document, {
        ProxyType: "HTTP",
        Password: { HasValue: document["PasswordSecretId"] !== null, NewValue: null, Hint: null },
      }),
    beforeSave: async (tx, save) => {
      const { values, body } = save;
      const faults: string[] = [];
      const type = body["ProxyType"] as string | null | undefined;
      if (type && type.toUpperCase() !== "HTTP") faults.push("ProxyType must be HTTP. Other kinds of proxies are not supported.");
      const host = readProxyHost(String(values["Host"]));
      if (host === undefined) faults.push("Host must be the name or address of a computer, without protocol, port or path.");
      const port = values["Port"] as number;
      if (port < 1 || port > portMax) faults.push(`Port must be a number from 1 to ${portMax}.`);
      const username = faultOfUsername(String(values["Username"]));
      if (username !== undefined) faults.push(username);
      const password = (body["Password"] as { NewValue?: string | null } | null | undefined)?.NewValue ?? "";
      if (password.length > passwordCharactersMax) faults.push(`Password must not be longer than ${passwordCharactersMax} characters.`);
      if (faults.length > 0) throw problem.invalid(faults);
      values["Host"] = host;
      await keepPassword(tx, secrets, save);
    },
    afterSave: async (tx, { current, values }) => {
      const before = current?.["PasswordSecretId"];
      if (typeof before === "string" && before !== values["PasswordSecretId"]) await forgetSecret(tx, before);
    },
    beforeDelete: async (tx, document) => {
      const secretId = document["PasswordSecretId"];
      if (typeof secretId === "string") await forgetSecret(tx, secretId);
    },
  });
}

/** The way to a proxy with its password, for whoever connects through it; undefined when there is none with this id. */
export async function findProxy(
  db: Queryable,
  secrets: Secrets,
  id: string,
): Promise<{ host: string; port: number; username?: string; password?: string } | undefined> {
  const row = await findProxyRow(db, id);
  if (row === undefined) return undefined;
  const { host, port, username, passwordSecretId } = row;
  if (username === "") return { host, port };
  const password = passwordSecretId === null ? undefined : (await readKeptSecrets(db, secrets, [passwordSecretId])).get(passwordSecretId);
  return { host, port, username, ...(password === undefined ? {} : { password }) };
}

/** A new text replaces the stored one, `HasValue: false` clears it, and anything else leaves it as it is. */
async function keepPassword(tx: Transaction, secrets: Secrets, { id, spaceId, values, body }: Save): Promise<void> {
  const sent = body["Password"] as { HasValue?: boolean | null; NewValue?: string | null } | null | undefined;
  if (typeof sent?.NewValue === "string" && sent.NewValue !== "") {
    const secretId = randomUUID();
    await keepSecret(tx, secrets, { id: secretId, spaceId, owner: id, text: sent.NewValue });
    values["PasswordSecretId"] = secretId;
  } else if (sent?.HasValue === false) values["PasswordSecretId"] = null;
}
