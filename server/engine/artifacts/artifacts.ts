// Files that belong to tasks, for the engine that collects them from machines and for the API that lists, gives and takes them.

export type { ArtifactFilesParts, ArtifactFolder } from "./artifact-files.ts";
export { ArtifactGone, ArtifactTooLarge, readContent, storageProblem, storeContent, sweepArtifactFiles } from "./artifact-files.ts";
export type { AnnouncedArtifact, ArtifactFilter, ArtifactRow, NewArtifact } from "./artifact-store.ts";
export {
  countArtifactsOfTask,
  deleteArtifact,
  findArtifact,
  insertAnnounced,
  insertArtifact,
  listArtifacts,
  renameArtifact,
} from "./artifact-store.ts";
export type { Collection } from "./collect-artifacts.ts";
export { artifactBytesMax, collectArtifacts } from "./collect-artifacts.ts";

export { artifactsPerTaskMax, createArtifactMessages, filenameCharactersMax } from "./artifact-messages.ts";
