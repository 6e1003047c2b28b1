// The documents of the API as types, taken from the contract that the server writes them by. Only types: none of its code comes along.

import type { Artifact as ArtifactShape } from "@cuttle/contract/rest/artifacts";
import type {
  Dashboard as DashboardShape,
  DashboardItem as DashboardItemShape,
  Progression as ProgressionShape,
} from "@cuttle/contract/rest/dashboards";
import type {
  DeploymentProcess as DeploymentProcessShape,
  DeploymentStep as DeploymentStepShape,
} from "@cuttle/contract/rest/deployment-processes";
import type {
  Deployment as DeploymentShape,
  DeploymentBody as DeploymentBodyShape,
  DeploymentPreview as DeploymentPreviewShape,
} from "@cuttle/contract/rest/deployments";
import type { Environment as EnvironmentShape } from "@cuttle/contract/rest/environments";
import type { PackageDescription as PackageDescriptionShape } from "@cuttle/contract/rest/feeds";
import type { Root as RootShape } from "@cuttle/contract/rest/home";
import type {
  InstallToken as InstallTokenShape,
  InstallTokenBody as InstallTokenBodyShape,
  NewInstallToken as NewInstallTokenShape,
} from "@cuttle/contract/rest/install-tokens";
import type { Interruption as InterruptionShape } from "@cuttle/contract/rest/interruptions";
import type {
  DiscoveredMachine as DiscoveredMachineShape,
  Machine as MachineShape,
  MachineBody as MachineBodyShape,
  MachineConnection as MachineConnectionShape,
} from "@cuttle/contract/rest/machines";
import type { Package as PackageShape } from "@cuttle/contract/rest/packages";
import type { Lifecycle as LifecycleShape } from "@cuttle/contract/rest/lifecycles";
import type { Channel as ChannelShape, Project as ProjectShape, ProjectGroup as ProjectGroupShape } from "@cuttle/contract/rest/projects";
import type {
  DeploymentTemplate as DeploymentTemplateShape,
  Release as ReleaseShape,
  ReleaseProgression as ReleaseProgressionShape,
} from "@cuttle/contract/rest/releases";
import type {
  ServerNode as ServerNodeShape,
  ServerNodeBody as ServerNodeBodyShape,
  ServerNodeDetails as ServerNodeDetailsShape,
  ServerNodeSummary as ServerNodeSummaryShape,
  ServerNodesSummary as ServerNodesSummaryShape,
} from "@cuttle/contract/rest/server-nodes";
import type {
  Event as EventShape,
  ServerTask as ServerTaskShape,
  ServerTaskDetails as ServerTaskDetailsShape,
  ServerTaskPage as ServerTaskPageShape,
  TaskLogFound as TaskLogFoundShape,
  TaskLogLines as TaskLogLinesShape,
  TaskWaiting as TaskWaitingShape,
} from "@cuttle/contract/rest/server-tasks";
import type { Static } from "@cuttle/contract/rest/shapes";
import type { Space as SpaceShape } from "@cuttle/contract/rest/spaces";
import type { ApiKey as ApiKeyShape, NewApiKey as NewApiKeyShape, User as UserShape } from "@cuttle/contract/rest/users";
import type { Variable as VariableShape, VariableSet as VariableSetShape } from "@cuttle/contract/rest/variables";

export type ApiKey = Static<typeof ApiKeyShape>;
export type Artifact = Static<typeof ArtifactShape>;
export type Channel = Static<typeof ChannelShape>;
export type Dashboard = Static<typeof DashboardShape>;
export type DashboardItem = Static<typeof DashboardItemShape>;
export type Deployment = Static<typeof DeploymentShape>;
export type DeploymentBody = Static<typeof DeploymentBodyShape>;
export type DeploymentPreview = Static<typeof DeploymentPreviewShape>;
export type DeploymentProcess = Static<typeof DeploymentProcessShape>;
export type DeploymentStep = Static<typeof DeploymentStepShape>;
export type DeploymentTemplate = Static<typeof DeploymentTemplateShape>;
export type DiscoveredMachine = Static<typeof DiscoveredMachineShape>;
export type Environment = Static<typeof EnvironmentShape>;
export type Event = Static<typeof EventShape>;
export type InstallToken = Static<typeof InstallTokenShape>;
export type InstallTokenBody = Static<typeof InstallTokenBodyShape>;
export type Interruption = Static<typeof InterruptionShape>;
export type Machine = Static<typeof MachineShape>;
export type MachineBody = Static<typeof MachineBodyShape>;
export type MachineConnection = Static<typeof MachineConnectionShape>;
export type NewInstallToken = Static<typeof NewInstallTokenShape>;
export type NewApiKey = Static<typeof NewApiKeyShape>;
export type Package = Static<typeof PackageShape>;
export type Lifecycle = Static<typeof LifecycleShape>;
export type PackageDescription = Static<typeof PackageDescriptionShape>;
export type Progression = Static<typeof ProgressionShape>;
export type Project = Static<typeof ProjectShape>;
export type ProjectGroup = Static<typeof ProjectGroupShape>;
export type Release = Static<typeof ReleaseShape>;
export type ReleaseProgression = Static<typeof ReleaseProgressionShape>;
export type Root = Static<typeof RootShape>;
export type ServerNode = Static<typeof ServerNodeShape>;
export type ServerNodeBody = Static<typeof ServerNodeBodyShape>;
export type ServerNodeDetails = Static<typeof ServerNodeDetailsShape>;
export type ServerNodeSummary = Static<typeof ServerNodeSummaryShape>;
export type ServerNodesSummary = Static<typeof ServerNodesSummaryShape>;
export type ServerTask = Static<typeof ServerTaskShape>;
export type ServerTaskDetails = Static<typeof ServerTaskDetailsShape>;
export type ServerTaskPage = Static<typeof ServerTaskPageShape>;
export type Space = Static<typeof SpaceShape>;
export type TaskLogFound = Static<typeof TaskLogFoundShape>;
export type TaskLogLine = TaskLogLines["Lines"][number];
export type TaskLogLines = Static<typeof TaskLogLinesShape>;
export type TaskState = ServerTask["State"];
export type TaskWaiting = Static<typeof TaskWaitingShape>;
export type Variable = Static<typeof VariableShape>;
export type VariableSet = Static<typeof VariableSetShape>;
export type User = Static<typeof UserShape>;

/** One page of a collection. */
export interface Page<T> {
  Items: T[];
  TotalResults: number;
  ItemsPerPage: number;
  NumberOfPages: number;
}
