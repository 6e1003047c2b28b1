// A new release of a project: version, channel where there are several, and notes. Packages are the newest that fit, as the server chooses.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { isUnknown } from "../../api/request.ts";
import type { Project } from "../../api/documents.ts";
import { newIdempotencyKey } from "../../api/idempotency-key.ts";
import { channelsQuery, progressionQuery } from "../../api/projects.ts";
import { createRelease, nextVersionQuery } from "../../api/releases.ts";
import { isolated } from "../../design/isolated.ts";
import { Button } from "../../design/button.tsx";
import { Dialog } from "../../design/dialog.tsx";
import { TextField } from "../../design/field.tsx";
import { Select } from "../../design/select.tsx";
import { ErrorPanel } from "../../design/view-states.tsx";

interface NewReleaseDialogProps {
  space: string;
  project: Project;
  isOpen: boolean;
  onLeave(): void;
}

export function NewReleaseDialog({ space, project, isOpen, onLeave }: NewReleaseDialogProps) {
  const router = useRouter();
  const queries = useQueryClient();
  const { data: channels = [] } = useQuery({ ...channelsQuery(space, project.Id), enabled: isOpen });
  const [version, setVersion] = useState<string>();
  const [channel, setChannel] = useState<string>();
  const { data: next } = useQuery({ ...nextVersionQuery(space, project.DeploymentProcessId, channel), enabled: isOpen });
  const [notes, setNotes] = useState("");
  /** One wish: pressed again after a lost answer, it is the same. Another input is another wish. */
  const wish = useRef({ text: "", key: "" });

  const packageOfStep = next?.packageOfStep ?? null;
  const versionHelp =
    packageOfStep === null
      ? "The next one by the project's way of counting."
      : `Left empty, it is that of the package of the step ${isolated(packageOfStep)}.`;
  const shown = version ?? next?.version ?? "";

  const make = useMutation({
    mutationFn: () => {
      // When the answer is lost and the release was made, the next version is another one; the wish stays what it was.
      setVersion(shown);
      const body = {
        ProjectId: project.Id,
        ...(channel === undefined ? {} : { ChannelId: channel }),
        Version: shown,
        ...(notes.trim() === "" ? {} : { ReleaseNotes: notes }),
      };
      const text = JSON.stringify(body);
      if (wish.current.text !== text) wish.current = { text, key: newIdempotencyKey() };
      return createRelease(space, body, wish.current.key);
    },
    onSuccess: async (release) => {
      void queries.invalidateQueries({ queryKey: progressionQuery(space, project.Id).queryKey });
      await router.navigate({ to: "/app/$space/releases/$release", params: { space, release: release.ReleaseId }, replace: true });
    },
    // What the server refused is mended and asked anew.
    onError: (error) => {
      if (!isUnknown(error)) wish.current = { text: "", key: "" };
    },
  });

  return (
    <Dialog
      title={`New release of ${isolated(project.Name)}`}
      isOpen={isOpen}
      onLeave={onLeave}
      actions={
        <>
          <Button onPress={onLeave}>Leave</Button>
          <Button weight="primary" isPending={make.isPending} onPress={() => make.mutate()}>
            Create release
          </Button>
        </>
      }
    >
      <p className="muted">It freezes the steps and variables as they are now, with the newest version of each package.</p>
      {make.isError && (
        <ErrorPanel
          title={
            isUnknown(make.error)
              ? "It is not known whether the release was made; pressing again makes no second one"
              : "The release was not made"
          }
          error={make.error}
        />
      )}
      <TextField label="Version" value={shown} onChange={setVersion} autoFocus help={versionHelp} />
      {channels.length > 1 && (
        <Select
          label="Channel"
          value={channel ?? channels.find((one) => one.IsDefault)?.Id ?? null}
          options={channels.map((one) => ({ id: one.Id, name: one.Name }))}
          onChange={setChannel}
        />
      )}
      <TextField label="Notes" value={notes} onChange={setNotes} rows={4} />
    </Dialog>
  );
}
