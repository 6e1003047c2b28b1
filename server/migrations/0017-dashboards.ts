// What dashboards, tenants and promotion need: which deployment is the latest of its place, whom a deployment is for, which tenants are connected
// to which projects, defects of releases, and whether the cluster is in maintenance. A server version before this one leaves several latest
// ones in a place, of which the newest counts; the next deployment made by this version tidies up.

export const dashboards = `
ALTER TABLE installation ADD COLUMN is_in_maintenance boolean NOT NULL DEFAULT false;

ALTER TABLE deployments ADD COLUMN tenant_id text CONSTRAINT deployments_use_tenant REFERENCES tenants (id);
CREATE INDEX deployments_tenant ON deployments (tenant_id) WHERE tenant_id IS NOT NULL;
ALTER TABLE deployments ADD COLUMN is_latest boolean NOT NULL DEFAULT true;
UPDATE deployments d SET is_latest = false
 WHERE EXISTS (SELECT 1 FROM deployments newer
                WHERE newer.project_id = d.project_id AND newer.environment_id = d.environment_id AND newer.number > d.number);
CREATE INDEX deployments_latest ON deployments (space_id, project_id, environment_id) WHERE is_latest;

CREATE TABLE tenant_projects (
  tenant_id text NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  project_id text NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  PRIMARY KEY (tenant_id, project_id)
);
CREATE INDEX tenant_projects_project ON tenant_projects (project_id);
CREATE TABLE tenant_environments (
  tenant_id text NOT NULL,
  project_id text NOT NULL,
  environment_id text NOT NULL CONSTRAINT tenants_use_environment REFERENCES environments (id),
  PRIMARY KEY (tenant_id, project_id, environment_id),
  FOREIGN KEY (tenant_id, project_id) REFERENCES tenant_projects (tenant_id, project_id) ON DELETE CASCADE
);
CREATE INDEX tenant_environments_environment ON tenant_environments (environment_id);

CREATE TABLE release_defects (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  release_id text NOT NULL REFERENCES releases (id) ON DELETE CASCADE,
  description text NOT NULL,
  reported_at timestamptz NOT NULL DEFAULT now(),
  resolved_at timestamptz
);
CREATE INDEX release_defects_release ON release_defects (release_id, id);
`;
