// Where files are dropped or chosen, and what becomes of each: how much is there, how long it takes yet, and what the server says.

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { DropZone, FileTrigger, Text } from "react-aria-components";
import { addUploads, cancelUpload, forgetEndedUploads, tryUploadAgain, uploads, uploadsMax } from "../../api/package-uploads.ts";
import type { Upload } from "../../api/package-uploads.ts";
import { useStore } from "../../api/store.ts";
import { Button } from "../../design/button.tsx";
import { Notice } from "../../design/notice.tsx";
import { durationText } from "../../design/time-text.tsx";
import { ErrorPanel } from "../../design/view-states.tsx";
import css from "./packages.module.css";
import { sizeText } from "./size-text.ts";

export function UploadPlace({ space }: { space: string }) {
  const queries = useQueryClient();
  const all = useStore(uploads).filter((one) => one.space === space);
  const [left, setLeft] = useState(0);
  const done = all.filter(({ state }) => state === "done").length;
  useEffect(() => {
    if (done > 0) void queries.invalidateQueries({ queryKey: ["packages", space] });
  }, [queries, space, done]);
  const hasEnded = all.some(({ state }) => state === "done" || state === "refused" || state === "canceled");
  const take = (files: readonly File[]): void => setLeft(addUploads(space, files));
  return (
    <section aria-label="Upload" className={css["upload"]}>
      <DropZone
        className={css["drop"]!}
        aria-label="Drop packages here"
        onDrop={(event) => void Promise.all(event.items.flatMap((item) => (item.kind === "file" ? [item.getFile()] : []))).then(take)}
      >
        <Text slot="label">Drop packages here, or</Text>
        <FileTrigger allowsMultiple onSelect={(files) => take([...(files ?? [])])}>
          <Button>Choose files …</Button>
        </FileTrigger>
        <span className="muted small">Named as in Web.1.2.3.zip: .zip, .nupkg, .tar.gz and others</span>
      </DropZone>
      {left > 0 && (
        <Notice kind="warning" isSpoken>
          {uploadsMax} files at once are the most; {left} {left === 1 ? "was" : "were"} not taken.
        </Notice>
      )}
      {all.length > 0 && (
        <ul className={css["uploads"]} aria-label="Uploads">
          {all.map((one) => (
            <UploadRow key={one.key} upload={one} />
          ))}
        </ul>
      )}
      {hasEnded && (
        <div>
          <Button
            weight="quiet"
            onPress={() => {
              setLeft(0);
              forgetEndedUploads();
            }}
          >
            Clear what has ended
          </Button>
        </div>
      )}
    </section>
  );
}

function wordOf({ state, sentBytes, secondsLeft, file }: Upload): string {
  switch (state) {
    case "waiting":
      return "Waits for those before it";
    case "sending":
      return `${sizeText(sentBytes)} of ${sizeText(file.size)}${secondsLeft === undefined ? "" : `, ${durationText(secondsLeft * 1000)} left`}`;
    case "checking":
      return "Being checked and stored";
    case "done":
      return `Uploaded, ${sizeText(file.size)}`;
    case "refused":
      return "Not uploaded";
    case "canceled":
      return "Canceled";
  }
}

function UploadRow({ upload }: { upload: Upload }) {
  const { key, file, state, sentBytes, error } = upload;
  const isUnderWay = state === "waiting" || state === "sending" || state === "checking";
  return (
    <li className={css["row"]} data-upload={state}>
      <div className={css["line"]}>
        <strong className={css["file"]}>{file.name}</strong>
        <span className="muted tabular" role={isUnderWay ? undefined : "status"}>
          {wordOf(upload)}
        </span>
        {isUnderWay && (
          <Button weight="quiet" aria-label={`Cancel ${file.name}`} onPress={() => cancelUpload(key)}>
            Cancel
          </Button>
        )}
        {state === "canceled" && (
          <Button weight="quiet" aria-label={`Upload again ${file.name}`} onPress={() => tryUploadAgain(key, false)}>
            Upload again
          </Button>
        )}
      </div>
      {isUnderWay && (
        <progress className={css["bar"]} max={Math.max(1, file.size)} value={sentBytes} aria-label={`Upload of ${file.name}`} />
      )}
      {error !== undefined && (
        <>
          <ErrorPanel
            title={`${file.name} was not uploaded`}
            error={error}
            {...(error.isTransient ? { onRetry: () => tryUploadAgain(key, upload.replaces) } : {})}
          />
          {error.status === 409 && (
            <div>
              <Button aria-label={`Replace the version that is there: ${file.name}`} onPress={() => tryUploadAgain(key, true)}>
                Replace the version that is there
              </Button>
            </div>
          )}
        </>
      )}
    </li>
  );
}
