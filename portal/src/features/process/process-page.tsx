// The deployment process of a project: its steps in order, and the one that is open. Edits are kept here until they are saved together; what
// somebody else saved meanwhile is shown beside them and put together with them.

import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { Ban, Plus, TriangleAlert } from "lucide-react";
import { useState } from "react";
import type { DeploymentProcess, Project } from "../../api/documents.ts";
import { useDraft, useDraftSave } from "../../api/draft.ts";
import { processQuery, saveProcess } from "../../api/processes.ts";
import { projectQuery } from "../../api/projects.ts";
import { differencesIn, removedBy } from "../../api/row-merge.ts";
import { fieldName } from "../../api/step-fields.ts";
import { isolated } from "../../design/isolated.ts";
import { Button } from "../../design/button.tsx";
import { joined } from "../../design/class-names.ts";
import { Loaded } from "../../design/loaded.tsx";
import { MenuButton } from "../../design/menu.tsx";
import { MergePanel } from "../../design/merge-panel.tsx";
import { Notice } from "../../design/notice.tsx";
import { PageHeader } from "../../design/page.tsx";
import { UnsavedGuard, useSaveKey } from "../../design/unsaved-guard.tsx";
import { EmptyState, Skeleton } from "../../design/view-states.tsx";
import { ProjectEditorHead } from "../../shell/project-editor.tsx";
import css from "./process-page.module.css";
import { StepForm } from "./step-form.tsx";
import { gapsOf, isDisabled, kindName, kinds, moved, newStep } from "./steps.ts";
import type { Step, StepKind } from "./steps.ts";

const route = getRouteApi("/signed-in/app/$space/projects/$project/process");
const stepsOf = (process: DeploymentProcess): readonly Step[] => process.Steps;

export function ProcessPage() {
  const { space, project } = route.useParams();
  const query = useQuery(processQuery(space, project));
  const { data: found } = useQuery(projectQuery(space, project));
  return (
    <>
      {query.data === undefined && <PageHeader title="Process" within={["Projects"]} />}
      <Loaded query={query} what="The process" skeleton={<Skeleton height="24rem" />}>
        {(process) => <Editor key={process.Id} space={space} project={found} process={process} />}
      </Loaded>
    </>
  );
}

function Editor({ space, project, process }: { space: string; project: Project | undefined; process: DeploymentProcess }) {
  const params = route.useParams();
  const { step: wanted } = route.useSearch();
  const navigate = route.useNavigate();
  const draft = useDraft(process, stepsOf);
  const [removed, setRemoved] = useState<{ step: Step; index: number }>();
  const steps = draft.rows;
  const open = steps.find((one) => one.Id === wanted) ?? steps[0];
  const show = (id: string): void => void navigate({ search: { step: id }, replace: true, resetScroll: false });

  const saving = useDraftSave({
    draft,
    rowsOf: stepsOf,
    queryKey: processQuery(space, params.project).queryKey,
    send: (version, rows) => saveProcess(space, process.Id, version, rows),
  });
  const { saveNow } = saving;
  useSaveKey(saveNow);

  function add(kind: StepKind): void {
    const step = newStep(kind, steps);
    draft.change((rows) => [...rows, step]);
    show(step.Id);
  }
  function remove(step: Step): void {
    const index = steps.indexOf(step);
    setRemoved({ step, index });
    draft.change((rows) => rows.filter((one) => one.Id !== step.Id));
    const next = steps[index + 1] ?? steps[index - 1];
    void navigate({ search: next === undefined ? {} : { step: next.Id }, replace: true, resetScroll: false });
  }
  const adder = (
    <MenuButton
      label="Kinds of steps"
      weight={steps.length === 0 ? "primary" : undefined}
      groups={[{ id: "kinds", entries: kinds.map(({ id, name }) => ({ id, name, onChoose: () => add(id) })) }]}
    >
      <Plus size={16} aria-hidden />
      Add step
    </MenuButton>
  );

  return (
    <>
      <ProjectEditorHead
        title="Process"
        subject="the process was"
        space={space}
        slug={params.project}
        project={project}
        draft={draft}
        saving={saving}
        adder={steps.length > 0 && adder}
        onThrowAway={() => {
          draft.adopt(process);
          setRemoved(undefined);
        }}
      >
        {removed !== undefined && draft.isChanged && !steps.some((one) => one.Id === removed.step.Id) && (
          <Notice
            isSpoken
            actions={
              <Button
                onPress={() => {
                  draft.change((rows) => rows.toSpliced(removed.index, 0, removed.step));
                  show(removed.step.Id);
                  setRemoved(undefined);
                }}
              >
                Undo
              </Button>
            }
          >
            {isolated(removed.step.Name)} is removed when you save.
          </Notice>
        )}
      </ProjectEditorHead>
      {draft.theirs !== undefined && (
        <MergePanel
          what="The process"
          choices={saving.choices}
          onChoose={saving.choose}
          changes={saving.changes.map((change) => ({
            id: change.id,
            name: `Step ${isolated((change.mine ?? change.theirs ?? change.base)?.Name ?? "")}`,
            by: change.by,
            isNew: change.base === undefined,
            removedBy: removedBy(change),
            fields: differencesIn(change).map((one) => ({ ...one, field: fieldName(one.field) })),
          }))}
        />
      )}
      {open === undefined ? (
        <EmptyState title="No steps yet" action={adder}>
          Steps are what a deployment does, one after the other: run a script, deploy a package, or ask a person before it goes on.
        </EmptyState>
      ) : (
        <div className={css["columns"]}>
          <nav aria-label="Steps">
            <ol className={css["steps"]}>
              {steps.map((step, index) => (
                <li key={step.Id}>
                  <Link
                    to="/app/$space/projects/$project/process"
                    params={params}
                    search={{ step: step.Id }}
                    replace
                    resetScroll={false}
                    className={joined(css["step"], isDisabled(step) && css["disabled"])}
                    aria-current={step === open ? "step" : undefined}
                    activeProps={{ "aria-current": "step" }}
                  >
                    <span className="tabular muted">{index + 1}.</span>
                    <span className={css["name"]}>
                      <span className={css["title"]}>{step.Name === "" ? "(without a name)" : step.Name}</span>
                      <span className="muted small">
                        {step.Actions.length === 1 ? kindName(step.Actions[0]!.ActionType) : `${step.Actions.length} actions`}
                        {isDisabled(step) && ", disabled"}
                      </span>
                    </span>
                    {isDisabled(step) ? (
                      <Ban size={16} aria-hidden />
                    ) : (
                      gapsOf(step).length > 0 && <TriangleAlert size={16} aria-label="unfinished" role="img" className={css["gap"]} />
                    )}
                  </Link>
                </li>
              ))}
            </ol>
          </nav>
          <StepForm
            key={open.Id}
            space={space}
            step={open}
            isFirst={steps[0] === open}
            isLast={steps.at(-1) === open}
            onChange={(next) => draft.change((rows) => rows.map((one) => (one.Id === next.Id ? next : one)))}
            onMove={(by) => draft.change((rows) => moved(rows, open.Id, by))}
            onRemove={() => remove(open)}
          />
        </div>
      )}
      <UnsavedGuard isUnsaved={draft.isChanged} what="the process" />
    </>
  );
}
