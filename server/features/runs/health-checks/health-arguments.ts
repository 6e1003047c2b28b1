// The version of what a health check's task is asked.

/** Version of the arguments `{ machineIds }` this program writes and reads. */
export const healthArgumentsVersion = 1;
