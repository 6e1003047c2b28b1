// Who names proxies, tenants and tags, as rows and foreign keys: the database resolves renames and refuses to delete what is in use.
// The columns machines.tenant_ids and machines.tenant_tags stay, always empty, for the server version before this one.

export const tenantsAndTags = `
ALTER TABLE machines ADD COLUMN proxy_id text CONSTRAINT deployment_targets_use_proxy REFERENCES proxies (id);
CREATE INDEX machines_proxy ON machines (proxy_id) WHERE proxy_id IS NOT NULL;
ALTER TABLE workers ADD COLUMN proxy_id text CONSTRAINT workers_use_proxy REFERENCES proxies (id);
CREATE INDEX workers_proxy ON workers (proxy_id) WHERE proxy_id IS NOT NULL;

ALTER TABLE tag_sets DROP COLUMN tags;
ALTER TABLE tenants DROP COLUMN tenant_tags;
CREATE SEQUENCE ids_tags;
CREATE TABLE tags (
  id text PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  tag_set_id text NOT NULL REFERENCES tag_sets (id) ON DELETE CASCADE,
  name text NOT NULL,
  canonical_name text NOT NULL,
  color text NOT NULL,
  description text NOT NULL DEFAULT '',
  sort_order integer NOT NULL,
  UNIQUE (space_id, canonical_name)
);
CREATE UNIQUE INDEX tags_name_key ON tags (space_id, lower(canonical_name));
CREATE INDEX tags_set ON tags (tag_set_id);

CREATE TABLE machine_tenants (
  machine_id text NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
  tenant_id text NOT NULL CONSTRAINT deployment_targets_use_tenant REFERENCES tenants (id),
  PRIMARY KEY (machine_id, tenant_id)
);
CREATE INDEX machine_tenants_tenant ON machine_tenants (tenant_id);
CREATE TABLE machine_tags (
  machine_id text NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
  space_id text NOT NULL,
  tag text NOT NULL,
  PRIMARY KEY (machine_id, tag),
  CONSTRAINT deployment_targets_use_tag FOREIGN KEY (space_id, tag) REFERENCES tags (space_id, canonical_name) ON UPDATE CASCADE
);
CREATE INDEX machine_tags_tag ON machine_tags (space_id, tag);
CREATE TABLE tenant_tags (
  tenant_id text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  space_id text NOT NULL,
  tag text NOT NULL,
  PRIMARY KEY (tenant_id, tag),
  CONSTRAINT tenants_use_tag FOREIGN KEY (space_id, tag) REFERENCES tags (space_id, canonical_name) ON UPDATE CASCADE
);
CREATE INDEX tenant_tags_tag ON tenant_tags (space_id, tag);
`;
