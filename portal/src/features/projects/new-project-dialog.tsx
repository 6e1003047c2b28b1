// A new project: its name, the group it stands in and the lifecycle its releases go through. Then its process is what one wants.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { createProject, lifecyclesQuery, projectGroupsQuery, projectsQuery } from "../../api/projects.ts";
import { Button } from "../../design/button.tsx";
import { Dialog } from "../../design/dialog.tsx";
import { TextField } from "../../design/field.tsx";
import { Select } from "../../design/select.tsx";
import { ErrorPanel } from "../../design/view-states.tsx";

export function NewProjectDialog({ space, isOpen, onLeave }: { space: string; isOpen: boolean; onLeave(): void }) {
  const router = useRouter();
  const queries = useQueryClient();
  const groups = useQuery({ ...projectGroupsQuery(space), enabled: isOpen });
  const lifecycles = useQuery({ ...lifecyclesQuery(space), enabled: isOpen });
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [chosenGroup, setGroup] = useState<string>();
  const [chosenLifecycle, setLifecycle] = useState<string>();
  const group = chosenGroup ?? groups.data?.[0]?.Id;
  const lifecycle = chosenLifecycle ?? lifecycles.data?.[0]?.Id;
  const unread = groups.error ?? lifecycles.error;

  const make = useMutation({
    mutationFn: () =>
      createProject(space, { Name: name.trim(), Description: description, ProjectGroupId: group ?? "", LifecycleId: lifecycle ?? "" }),
    onSuccess: async (project) => {
      void queries.invalidateQueries({ queryKey: projectsQuery(space).queryKey });
      await router.navigate({ to: "/app/$space/projects/$project/process", params: { space, project: project.Slug } });
    },
  });
  const mayMake = name.trim() !== "" && group !== undefined && lifecycle !== undefined;
  return (
    <Dialog
      title="New project"
      isOpen={isOpen}
      onLeave={onLeave}
      actions={
        <>
          <Button onPress={onLeave}>Leave</Button>
          <Button weight="primary" isDisabled={!mayMake} isPending={make.isPending} onPress={() => make.mutate()}>
            Create project
          </Button>
        </>
      }
    >
      {make.isError && <ErrorPanel title="The project was not made" error={make.error} />}
      {unread !== null && <ErrorPanel title="Groups and lifecycles could not be read" error={unread} />}
      <TextField label="Name" value={name} onChange={setName} autoFocus />
      <TextField label="Description" value={description} onChange={setDescription} rows={2} />
      <Select
        label="Group"
        value={group ?? null}
        options={(groups.data ?? []).map((one) => ({ id: one.Id, name: one.Name }))}
        onChange={setGroup}
      />
      <Select
        label="Lifecycle"
        value={lifecycle ?? null}
        options={(lifecycles.data ?? []).map((one) => ({ id: one.Id, name: one.Name }))}
        help="The environments a release goes through, in their order."
        onChange={setLifecycle}
      />
    </Dialog>
  );
}
