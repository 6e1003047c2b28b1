// Who sent a request, as far as every other part needs to know.

/** Somebody who sent a request. The anonymous caller has no user id and no permission. */
export interface Caller {
  readonly userId: string | null;
  readonly username: string;
  readonly isAdministrator: boolean;
}
