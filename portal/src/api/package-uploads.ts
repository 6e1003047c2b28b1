// Files on their way into the built-in feed, one after another, with how much of each is there. They go on while other pages are looked at,
// because they are kept here and not by a page. Sent by XMLHttpRequest: fetch does not tell how much has gone out.

import { ApiError, apiAddress, csrfToken, path, readRefusal, withQuery } from "./request.ts";
import { renewSession } from "./session-renewal.ts";
import { createStore } from "./store.ts";

/** A connection on which nothing moves for so long is taken for lost. */
const stillMsMax = 120_000;
/** More in one go is a mistake of the hand; the rest is not taken. */
export const uploadsMax = 100;

export interface Upload {
  key: number;
  space: string;
  file: File;
  state: "waiting" | "sending" | "checking" | "done" | "refused" | "canceled";
  sentBytes: number;
  /** From the speed so far; undefined until it can be told. */
  secondsLeft: number | undefined;
  error: ApiError | undefined;
  /** A version that is there is replaced. */
  replaces: boolean;
}

export const uploads = createStore<readonly Upload[]>([]);

let nextKey = 1;
let current: { key: number; request: XMLHttpRequest } | undefined;

function patch(key: number, change: Partial<Upload>): void {
  uploads.set(uploads.get().map((one) => (one.key === key ? { ...one, ...change } : one)));
}

/** Answers how many were not taken. */
export function addUploads(space: string, files: readonly File[]): number {
  const taken = files.slice(0, Math.max(0, uploadsMax - uploads.get().length));
  uploads.set([
    ...uploads.get(),
    ...taken.map((file): Upload => {
      return { key: nextKey++, space, file, state: "waiting", sentBytes: 0, secondsLeft: undefined, error: undefined, replaces: false };
    }),
  ]);
  sendNext();
  return files.length - taken.length;
}

export function tryUploadAgain(key: number, replaces: boolean): void {
  patch(key, { state: "waiting", sentBytes: 0, secondsLeft: undefined, error: undefined, replaces });
  sendNext();
}

export function cancelUpload(key: number): void {
  patch(key, { state: "canceled", secondsLeft: undefined });
  if (current?.key === key) current.request.abort();
}

/** Takes those from the list that have ended. */
export function forgetEndedUploads(): void {
  uploads.set(uploads.get().filter(({ state }) => state === "waiting" || state === "sending" || state === "checking"));
}

function sendNext(): void {
  if (current !== undefined) return;
  const next = uploads.get().find(({ state }) => state === "waiting");
  if (next !== undefined) void send(next);
}

async function send(upload: Upload): Promise<void> {
  const { key } = upload;
  const request = new XMLHttpRequest();
  current = { key, request };
  patch(key, { state: "sending" });
  const answer = await sendFile(upload, request);
  current = undefined;
  const isCanceled = uploads.get().some((one) => one.key === key && one.state === "canceled");
  if (!isCanceled) {
    if (answer === undefined) patch(key, { state: "done", sentBytes: upload.file.size, secondsLeft: undefined });
    else if (answer.status === 401 && (await renewSession())) patch(key, { state: "waiting", sentBytes: 0, secondsLeft: undefined });
    else patch(key, { state: "refused", error: answer, secondsLeft: undefined });
  }
  sendNext();
}

/** Answers what was wrong; undefined when it is there. */
function sendFile({ key, space, file, replaces }: Upload, request: XMLHttpRequest): Promise<ApiError | undefined> {
  return new Promise((resolve) => {
    const startedMs = performance.now();
    let still: ReturnType<typeof setTimeout> | undefined;
    let isStill = false;
    const moves = (): void => {
      clearTimeout(still);
      still = setTimeout(() => {
        isStill = true;
        request.abort();
      }, stillMsMax);
    };
    const end = (answer: ApiError | undefined): void => {
      clearTimeout(still);
      resolve(answer);
    };
    request.upload.addEventListener("progress", ({ loaded }) => {
      moves();
      const seconds = (performance.now() - startedMs) / 1000;
      const left = loaded > 0 && seconds >= 1 ? ((file.size - loaded) * seconds) / loaded : undefined;
      patch(key, { sentBytes: loaded, secondsLeft: left });
    });
    request.upload.addEventListener("load", () => {
      moves();
      patch(key, { state: "checking", sentBytes: file.size, secondsLeft: undefined });
    });
    request.addEventListener("load", () => {
      const { status, statusText, responseText: text } = request;
      if (status >= 200 && status < 300) end(undefined);
      else end(readRefusal({ status, statusText, text, retryAfter: Number(request.getResponseHeader("retry-after") ?? "") }));
    });
    request.addEventListener("error", () =>
      end(new ApiError(0, ["The connection was lost on the way, or the file cannot be read any more."])),
    );
    request.addEventListener("abort", () =>
      end(new ApiError(0, [isStill ? `Nothing has moved for ${stillMsMax / 1000} seconds; the connection is lost.` : "It was canceled."])),
    );
    const mode = replaces ? "OverwriteExisting" : "FailIfExists";
    request.open("POST", apiAddress(withQuery(path`/${space}/packages/raw`, { fileName: file.name, overwriteMode: mode })));
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-Octopus-Csrf-Token", csrfToken());
    moves();
    request.send(file);
  });
}
