// Tenants that were made as copies say of which, and an environment that goes takes its connections to tenants along, as a project does.
// Versions before this one neither read the column nor miss it; the constraint only refuses less.

export const clonedTenants = `
ALTER TABLE tenants ADD COLUMN cloned_from_tenant_id text;
ALTER TABLE tenant_environments DROP CONSTRAINT tenants_use_environment,
  ADD CONSTRAINT tenants_use_environment FOREIGN KEY (environment_id) REFERENCES environments (id) ON DELETE CASCADE;
`;
