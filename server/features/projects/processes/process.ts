// The stored form of a deployment process. Releases keep copies of it for years, so it carries a version and readers know all versions.

/** Version of the stored steps this program writes. */
export const processFormatVersion = 1;

/** Text, nothing, or the id of a secret. */
export type StoredProperty = string | null | { secretId: string };
export type StoredProperties = { readonly [name: string]: StoredProperty };

export interface ProcessAction {
  Id: string;
  Name: string;
  Slug: string;
  /** Octopus.Script … */
  ActionType: string;
  Notes: string | null;
  IsDisabled: boolean;
  IsRequired: boolean;
  Condition: "Success" | "Variable";
  Environments: string[];
  ExcludedEnvironments: string[];
  Channels: string[];
  TenantTags: string[];
  WorkerPoolId: string | null;
  WorkerPoolVariable: string | null;
  Container: object | null;
  Packages: object[];
  GitDependencies: unknown[];
  Properties: StoredProperties;
}

export interface ProcessStep {
  Id: string;
  Name: string;
  Slug: string;
  Condition: "Success" | "Failure" | "Always" | "Variable";
  StartTrigger: "StartAfterPrevious" | "StartWithPrevious";
  PackageRequirement: "LetOctopusDecide" | "BeforePackageAcquisition" | "AfterPackageAcquisition";
  Properties: StoredProperties;
  Actions: ProcessAction[];
}

/** A process in a version this program does not know. */
export class ProcessNotReadable extends Error {
  constructor(id: string, version: number) {
    super(
      `The stored process ${id} has format version ${version}; this node reads up to ${processFormatVersion}. Use a node of the version that wrote it.`,
    );
    this.name = "ProcessNotReadable";
  }
}

/** @throws ProcessNotReadable */
export function readStoredSteps(id: string, version: number, steps: unknown): ProcessStep[] {
  if (version !== processFormatVersion) throw new ProcessNotReadable(id, version);
  return steps as ProcessStep[];
}
