// How a plain resource is described: its table, shapes, permissions, and hooks for rules of its own.

import type { TObject } from "typebox";
import type { PermissionName } from "@cuttle/contract/rest/permissions";
import type { Actor } from "../audit/audit.ts";
import type { Collection, Transaction } from "../database/database.ts";
import type { Condition } from "./resource-store.ts";
import type { ResourceTable } from "./resource-table.ts";

/** A resource as clients see it; PascalCase members. */
export type Document = Record<string, unknown> & { Id: string; SpaceId: string; Links: Record<string, string> };

/** A save in progress, as hooks see it. `values` are the members that will be stored; a hook may change them. */
export interface Save {
  spaceId: string;
  actor: Actor;
  id: string;
  /** The stored document before an update; undefined on create. */
  current: Document | undefined;
  values: Record<string, unknown>;
  /** What the client sent, for members that are not stored as they are. */
  body: Readonly<Record<string, unknown>>;
}

export interface ResourceDefinition {
  /** Type name for clients and messages: "Environment". */
  kind: string;
  collection: Collection;
  /** Last part of the collection's address: "environments". */
  path: string;
  table: ResourceTable;
  /** What clients read, and what they may send. */
  answer: TObject;
  body: TObject;
  /** The area has a POST route of its own, for what else a new one may be made of. */
  ownCreate?: boolean;
  permissions: { view: PermissionName; create: PermissionName; edit: PermissionName; delete: PermissionName };
  /** Names and slugs are unique within the space, or within the value of another member ("ProjectId"). */
  uniqueWithin?: { member: string };
  /** Exactly one row per space (or per `uniqueWithin`) carries IsDefault. */
  oneDefault?: boolean;
  /** Further query members and what they ask of a row; `$?` stands for the value. */
  filters?: Record<string, { type: TObject["properties"][string]; where: (value: never) => Condition }>;
  /** Links besides Self. `base` is "/api/Spaces-1". */
  links?: (document: Document, base: string) => Record<string, string>;
  /** Members that are computed rather than stored. */
  present?: (document: Document) => void;
  beforeSave?: (tx: Transaction, save: Save) => Promise<void>;
  afterSave?: (tx: Transaction, save: Save) => Promise<void>;
  beforeDelete?: (tx: Transaction, document: Document) => Promise<void>;
}
