// Fields of steps: the properties that hold them in the API, and the names by which people know them.

export const property = {
  roles: "Octopus.Action.TargetRoles",
  onServer: "Octopus.Action.RunOnServer",
  stepCondition: "Octopus.Step.ConditionVariableExpression",
  syntax: "Octopus.Action.Script.Syntax",
  source: "Octopus.Action.Script.ScriptSource",
  body: "Octopus.Action.Script.ScriptBody",
  instructions: "Octopus.Action.Manual.Instructions",
  packageId: "Octopus.Action.Package.PackageId",
  feedId: "Octopus.Action.Package.FeedId",
  folder: "Octopus.Action.Package.CustomInstallationDirectory",
  purge: "Octopus.Action.Package.CustomInstallationDirectoryShouldBePurgedBeforeDeployment",
  substitution: "Octopus.Action.SubstituteInFiles.Enabled",
  substitutionFiles: "Octopus.Action.SubstituteInFiles.TargetFiles",
  features: "Octopus.Action.EnabledFeatures",
} as const;

const fieldNames: Readonly<Record<string, string>> = {
  [property.roles]: "Target tags",
  [property.onServer]: "Runs on the server",
  [property.stepCondition]: "Expression",
  [property.syntax]: "Language",
  [property.body]: "Script",
  [property.instructions]: "Instructions",
  [property.packageId]: "Package",
  [property.folder]: "Custom folder",
  [property.purge]: "Empty the custom folder before",
  [property.substitutionFiles]: "Fill variables into these files",
  Condition: "Run condition",
  IsDisabled: "Disabled",
};

/** As people know a field that has come as "Actions / 1 / Properties / Octopus.Action.Script.ScriptBody". */
export function fieldName(field: string): string {
  const names = field.split(" / ").filter((one) => one !== "Actions" && one !== "Properties");
  if (field.startsWith("Actions / 1 /")) names.shift();
  return names.map((one) => fieldNames[one] ?? one).join(" / ");
}
