// Feeds, the packages of the built-in one, and build information. Files lie in the shared folder under their SHA-256; what is in this
// database is the only index of them. New tables only, so versions before it neither read nor miss them.

export const packages = `
CREATE TABLE feeds (
  id text NOT NULL,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  name text NOT NULL,
  slug text NOT NULL,
  feed_type text NOT NULL,
  settings jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (space_id, id)
);
CREATE UNIQUE INDEX feeds_name_key ON feeds (space_id, lower(name));
CREATE UNIQUE INDEX feeds_slug_key ON feeds (space_id, lower(slug));
CREATE UNIQUE INDEX feeds_one_built_in ON feeds (space_id) WHERE feed_type = 'BuiltIn';
INSERT INTO feeds (id, space_id, name, slug, feed_type)
  SELECT 'feeds-builtin', id, 'Octopus Server (built-in)', 'octopus-server-built-in', 'BuiltIn' FROM spaces;

CREATE TABLE package_files (
  sha256 text PRIMARY KEY,
  sha1 text NOT NULL,
  bytes bigint NOT NULL
);

-- What is being uploaded: stored before the first byte is written, so that whoever finds it abandoned knows which file to remove.
CREATE TABLE package_uploads (
  id uuid PRIMARY KEY,
  sha256 text REFERENCES package_files (sha256),
  seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX package_uploads_file ON package_uploads (sha256);

CREATE TABLE packages (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  package_id text NOT NULL,
  package_key text NOT NULL COLLATE "C",
  version text NOT NULL,
  version_key text NOT NULL COLLATE "C",
  is_prerelease boolean NOT NULL,
  is_latest boolean NOT NULL DEFAULT false,
  file_extension text NOT NULL,
  sha256 text NOT NULL REFERENCES package_files (sha256),
  description jsonb NOT NULL DEFAULT '{}',
  description_version integer NOT NULL DEFAULT 1,
  published_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX packages_version_key ON packages (space_id, package_key, version_key);
CREATE INDEX packages_newest ON packages (space_id, package_key, version_key DESC);
CREATE INDEX packages_full_name ON packages (space_id, lower(package_id || '.' || version));
CREATE INDEX packages_latest ON packages (space_id, package_key) WHERE is_latest;
CREATE INDEX packages_file ON packages (sha256);

CREATE SEQUENCE ids_build_information;
CREATE TABLE build_information (
  id text PRIMARY KEY,
  number bigint NOT NULL,
  space_id text NOT NULL REFERENCES spaces (id) ON DELETE CASCADE,
  package_id text NOT NULL,
  package_key text NOT NULL COLLATE "C",
  version text NOT NULL,
  version_key text NOT NULL COLLATE "C",
  build jsonb NOT NULL,
  build_version integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX build_information_version_key ON build_information (space_id, package_key, version_key);
CREATE INDEX build_information_number ON build_information (space_id, number DESC);
`;
