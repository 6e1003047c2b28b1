// Which scripts may run at the same time: one reader-writer lock per mutex name, first come first served. A waiting script that
// wants to be alone therefore goes before the ones that come later. Only for this agent's own scripts, and only in memory: after
// a restart the agent takes the locks of scripts that still run before it serves anybody.

/** A script that holds or wants a lock. */
export interface LockRequest {
  /** Lock name; `RunningScript` unless the server says otherwise. */
  name: string;
  /** Alone among all scripts of the name, or together with others that do not mind. */
  exclusive: boolean;
  /** The server's task, for messages. */
  taskId: string;
}

export interface HeldLock {
  /** Gives the lock back. Safe to call twice. */
  release(): void;
}

export interface WaitingLock {
  /** Settles when the lock is held. Never rejects; after `abandon` it never settles. */
  readonly held: Promise<HeldLock>;
  /** The scripts that hold the lock now. */
  holders(): readonly LockRequest[];
  /** Stops waiting and lets the ones behind go first. */
  abandon(): void;
}

export interface IsolationLocks {
  /** The lock at once, or undefined when somebody holds it or waits before. */
  tryTake(request: LockRequest): HeldLock | undefined;
  /** The lock for a script that already runs, whoever holds it: how the locks are rebuilt after a restart. */
  takeAnyway(request: LockRequest): HeldLock;
  wait(request: LockRequest): WaitingLock;
}

interface Queued {
  request: LockRequest;
  grant(lock: HeldLock): void;
}

interface Lock {
  holders: Set<LockRequest>;
  queue: Queued[];
}

/** The locks of one agent. */
export function createIsolationLocks(): IsolationLocks {
  const locks = new Map<string, Lock>();

  const find = (name: string): Lock => {
    let lock = locks.get(name);
    if (lock === undefined) locks.set(name, (lock = { holders: new Set(), queue: [] }));
    return lock;
  };

  const isFree = (lock: Lock, request: LockRequest): boolean => {
    if (lock.holders.size === 0) return true;
    return !request.exclusive && [...lock.holders].every((holder) => !holder.exclusive);
  };

  const take = (lock: Lock, request: LockRequest): HeldLock => {
    // A copy, so that the same request object twice is two holders.
    const holder = { ...request };
    lock.holders.add(holder);
    return {
      release: () => {
        if (lock.holders.delete(holder)) advance(lock, request.name);
      },
    };
  };

  const advance = (lock: Lock, name: string): void => {
    for (let first = lock.queue[0]; first !== undefined && isFree(lock, first.request); first = lock.queue[0]) {
      lock.queue.shift();
      first.grant(take(lock, first.request));
    }
    if (lock.holders.size === 0 && lock.queue.length === 0 && locks.get(name) === lock) locks.delete(name);
  };

  return {
    tryTake(request) {
      const lock = find(request.name);
      return lock.queue.length === 0 && isFree(lock, request) ? take(lock, request) : undefined;
    },
    takeAnyway: (request) => take(find(request.name), request),
    wait(request) {
      const lock = find(request.name);
      const { promise, resolve } = Promise.withResolvers<HeldLock>();
      const queued: Queued = { request, grant: resolve };
      lock.queue.push(queued);
      advance(lock, request.name);
      return {
        held: promise,
        holders: () => [...lock.holders],
        abandon: () => {
          const at = lock.queue.indexOf(queued);
          if (at === -1) return;
          lock.queue.splice(at, 1);
          advance(lock, request.name);
        },
      };
    },
  };
}

/** The sentence that tells a waiting task whom it waits for; servers show it as it is. */
export function waitMessage(request: LockRequest, holders: readonly LockRequest[]): string {
  const alone = "requires that no other Octopus scripts are executing on this target at the same time.";
  // One that minds nobody waits because of the first in its way, one that wants to be alone because of all.
  const tasks = distinctTasks(request.exclusive ? holders : holders.slice(0, 1));
  if (tasks.length === 1 && tasks[0] === request.taskId) {
    return `Waiting on another script in this task to finish as this task ${alone}`;
  }
  const word = request.exclusive ? "this" : "that";
  if (tasks.length <= 1) return `Waiting for the script in task ${taskLink(tasks[0])} to finish as ${word} script ${alone}`;
  const links = tasks.map(taskLink);
  return `Waiting on scripts in tasks ${links.slice(0, -1).join(", ")} and ${links.at(-1)} to finish. This script ${alone}`;
}

/** The sentence that names the tasks which were still in the way when a task gave up. */
export function stillRunningMessage(holders: readonly LockRequest[]): string {
  const links = distinctTasks(holders).map(taskLink);
  if (links.length === 0) return "";
  if (links.length === 1) return `Task ${links[0]} is still running.`;
  return `Tasks ${links.slice(0, -1).join(", ")} and ${links.at(-1)} are still running.`;
}

function distinctTasks(holders: readonly LockRequest[]): string[] {
  return [...new Set(holders.map((holder) => holder.taskId))];
}

function taskLink(taskId: string | undefined): string {
  return taskId === undefined || taskId === "" ? "(a task without id)" : `[${taskId}](~/app#/tasks/${taskId})`;
}
