// What of the deploy page stands in its address: the environments that are chosen.

export interface DeploySearch {
  to?: readonly string[];
}

/** As many as a person deploys to at once. */
export const environmentsMax = 50;

export function readDeploySearch(search: Record<string, unknown>): DeploySearch {
  const { to } = search;
  const ids = (Array.isArray(to) ? to : [to])
    .filter((one): one is string => typeof one === "string" && one !== "")
    .slice(0, environmentsMax);
  return ids.length === 0 ? {} : { to: ids };
}
