// Values that tenants give to the templates of their projects and library sets: one document for each tenant. Versions before this one neither
// read nor miss it.

export const tenantVariables = `
CREATE TABLE tenant_variables (
  tenant_id text PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
  version integer NOT NULL DEFAULT 0,
  format_version integer NOT NULL,
  variables jsonb NOT NULL,
  -- Secrets that a save replaced while a deployment of the tenant was under way, whose plan may still name them.
  dropped_secret_ids uuid[] NOT NULL DEFAULT '{}'
);
`;
