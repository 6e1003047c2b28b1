// Names of the audit entries a task's life leaves behind, as clients filter for them.

export type TaskMoment = "Queued" | "Started" | "Succeeded" | "Failed" | "Canceled";

/** `Deploy` tasks speak of deployments, all others of tasks. */
export function eventCategory(taskName: string, moment: TaskMoment): string {
  if (moment === "Canceled") return "TaskCanceled";
  return taskName === "Deploy" ? `Deployment${moment}` : `Task${moment}`;
}
