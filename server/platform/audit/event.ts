// What one entry of the audit trail says.

/** Who caused a change. The system itself has no user id. */
export interface Actor {
  userId: string | null;
  username: string;
}

export interface NewEvent {
  /** Null for changes of the whole system. */
  spaceId: string | null;
  /** Field's standard category names: Created, Modified, Deleted, DeploymentQueued, DeploymentStarted … */
  category: string;
  actor: Actor;
  /** One sentence for people; never holds a secret. */
  message: string;
  /** Ids of everything this is about, for filtering. */
  relatedDocumentIds: readonly string[];
}
