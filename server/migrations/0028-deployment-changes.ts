// What a deployment brings to its place: the releases since the one that was there, as they were when it was made. Deployments made before
// this have none, and versions before it neither read nor write it.

export const deploymentChanges = `
ALTER TABLE deployments ADD COLUMN changes jsonb, ADD COLUMN changes_markdown text;
`;
