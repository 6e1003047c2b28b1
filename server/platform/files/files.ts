// Public file of the shared folder: files written once, parts that only grow, and how much room there is. Nothing in the folder decides
// who owns what: that is in the database, and so is how much of a file counts.

export type { FolderEntry, GrowingFile, SharedFolder, SharedFolderOptions, WrittenFile } from "./shared-folder.ts";
export { openSharedFolder } from "./shared-folder.ts";
export type { SharedFolderFailure } from "./shared-folder-error.ts";
export { SharedFolderError } from "./shared-folder-error.ts";
