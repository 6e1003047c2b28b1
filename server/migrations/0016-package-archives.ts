// What packages become on their way to targets: one archive in blocks for each package's file, made when it is first deployed. A new
// table only, so versions before it neither read nor miss it; a row goes with its package's file.

export const packageArchives = `
CREATE TABLE package_archives (
  source_sha256 text NOT NULL REFERENCES package_files (sha256) ON DELETE CASCADE,
  format_version integer NOT NULL,
  sha256 text NOT NULL,
  bytes bigint NOT NULL,
  unpacked_bytes bigint NOT NULL,
  blocks bytea NOT NULL,
  PRIMARY KEY (source_sha256, format_version)
);
CREATE INDEX package_archives_file ON package_archives (sha256);
`;
