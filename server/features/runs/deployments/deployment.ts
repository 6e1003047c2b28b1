// What was asked of one deployment, as it is stored. It outlives the request by years, so it carries a version.

/** Version of the stored options this program writes; readers know this one and all before. */
export const optionsVersion = 1;

export interface DeploymentOptions {
  forcePackageDownload: boolean;
  forcePackageRedeployment: boolean;
  /** Ids of actions to leave out. */
  skipActionIds: string[];
  /** Empty: all that fit. */
  specificMachineIds: string[];
  excludedMachineIds: string[];
  /** Absent in rows of the version before: false. */
  useGuidedFailure?: boolean;
}

/** A release that comes with a deployment, as documents and the variable Octopus.Deployment.Changes spell it. */
export interface ReleaseChanges {
  Version: string;
  ReleaseNotes: string;
  WorkItems: object[];
  Commits: object[];
  BuildInformation: object[];
}
