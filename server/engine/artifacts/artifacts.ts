// Files that belong to tasks, for the engine that collects them from machines and for the API that lists, gives and takes them.

export type { ArtifactFilesParts, ArtifactFolder } from "./artifact-files.ts";
export { ArtifactGone, ArtifactTooLarge, readContent, storageProblem, storeContent, sweepArtifactFiles } from "./artifact-files.ts";
export type { AnnouncedArtifact, ArtifactFilter, ArtifactRow, NewArtifact } from "./artifact-store.ts";
export { countArtifactsOfTask, deleteArtifact, findArtifact, insertArtifact, listArtifacts, renameArtifact } from "./artifact-store.ts";

/** Largest artifact. More in one file wants another way than the log of a task. */
export const artifactBytesMax = 5 * 1024 ** 3;
/** Artifacts of one task; more are a loop that was not meant. */
export const artifactsPerTaskMax = 10_000;
export const filenameCharactersMax = 250;
