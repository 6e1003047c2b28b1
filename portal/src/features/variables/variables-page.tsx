// The variables of a project: one row for each value, with what it is limited to. Edits are kept here until they are saved together, also those
// that a filter hides; what somebody else saved meanwhile is put together with them.

import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { KeyRound, Plus, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { Button as PlainButton, Input, Label, SearchField } from "react-aria-components";
import type { Project, Variable, VariableSet } from "../../api/documents.ts";
import { useDraft, useDraftSave } from "../../api/draft.ts";
import { projectQuery } from "../../api/projects.ts";
import { differencesIn, isSame, removedBy } from "../../api/row-merge.ts";
import { comparable, scopeTexts } from "../../api/variable-texts.ts";
import { saveVariables, variablesQuery } from "../../api/variables.ts";
import { isolated } from "../../design/isolated.ts";
import { Button } from "../../design/button.tsx";
import fieldCss from "../../design/field.module.css";
import { Loaded } from "../../design/loaded.tsx";
import { MergePanel } from "../../design/merge-panel.tsx";
import { Notice } from "../../design/notice.tsx";
import { PageHeader } from "../../design/page.tsx";
import { Table } from "../../design/table.tsx";
import { UnsavedGuard, useSaveKey } from "../../design/unsaved-guard.tsx";
import { EmptyState, Skeleton } from "../../design/view-states.tsx";
import { ambiguousIds, fitsFilter, newVariable, shownValue } from "./variable-rows.ts";
import { VariableDialog } from "./variable-dialog.tsx";
import { ProjectEditorHead } from "../../shell/project-editor.tsx";
import css from "./variables-page.module.css";

const route = getRouteApi("/signed-in/app/$space/projects/$project/variables");
const variablesOf = (set: VariableSet): readonly Variable[] => set.Variables;
/** Rows drawn at once; more come with a press. */
const rowsStep = 200;

export function VariablesPage() {
  const { space, project } = route.useParams();
  const query = useQuery(variablesQuery(space, project));
  const { data: found } = useQuery(projectQuery(space, project));
  return (
    <>
      {query.data === undefined && <PageHeader title="Variables" within={["Projects"]} />}
      <Loaded query={query} what="The variables" skeleton={<Skeleton height="24rem" />}>
        {(set) => <Editor key={set.Id} space={space} project={found} set={set} />}
      </Loaded>
    </>
  );
}

function Editor({ space, project, set }: { space: string; project: Project | undefined; set: VariableSet }) {
  const params = route.useParams();
  const { q = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const draft = useDraft(set, variablesOf);
  const [openId, setOpenId] = useState<string>();
  const [rowsMax, setRowsMax] = useState(rowsStep);
  const [removed, setRemoved] = useState<{ variable: Variable; index: number }>();
  const saving = useDraftSave({
    draft,
    rowsOf: variablesOf,
    queryKey: variablesQuery(space, params.project).queryKey,
    send: (version, rows) => saveVariables(space, set.Id, version, rows),
  });
  const { saveNow } = saving;
  useSaveKey(saveNow);

  const variables = draft.rows;
  const values = set.ScopeValues;
  const open = variables.find((one) => one.Id === openId);
  const stored = new Map(draft.base.Variables.map((one) => [one.Id, one]));
  const isEdited = (one: Variable): boolean => !isSame(stored.get(one.Id), one);
  const fitting = variables.filter((one) => fitsFilter(one, values, q)).toSorted((a, b) => a.Name.localeCompare(b.Name));
  const hiddenEdits = variables.filter((one) => isEdited(one) && !fitsFilter(one, values, q)).length;
  const ambiguous = ambiguousIds(variables);

  function add(): void {
    const variable = newVariable();
    draft.change((rows) => [...rows, variable]);
    setOpenId(variable.Id);
  }
  function remove(variable: Variable): void {
    setOpenId(undefined);
    setRemoved({ variable, index: variables.indexOf(variable) });
    draft.change((rows) => rows.filter((one) => one.Id !== variable.Id));
  }
  const isRemovedShown = removed !== undefined && draft.isChanged && !variables.some((one) => one.Id === removed.variable.Id);

  return (
    <>
      <ProjectEditorHead
        title="Variables"
        subject="the variables were"
        space={space}
        slug={params.project}
        project={project}
        draft={draft}
        saving={saving}
        adder={variables.length > 0 && <AddButton onPress={add} />}
        onThrowAway={() => draft.adopt(set)}
      >
        {isRemovedShown && (
          <Notice
            isSpoken
            actions={<Button onPress={() => draft.change((rows) => rows.toSpliced(removed.index, 0, removed.variable))}>Undo</Button>}
          >
            {removed.variable.Name === "" ? "A variable without a name" : isolated(removed.variable.Name)} is removed when you save.
          </Notice>
        )}
        {hiddenEdits > 0 && (
          <Notice actions={<Button onPress={() => void navigate({ search: {}, replace: true })}>Clear the filter</Button>}>
            {hiddenEdits === 1 ? "1 unsaved edit is" : `${hiddenEdits} unsaved edits are`} hidden by the filter. They are saved with the
            rest.
          </Notice>
        )}
      </ProjectEditorHead>
      {draft.theirs !== undefined && (
        <MergePanel
          what="The set of variables"
          choices={saving.choices}
          onChoose={saving.choose}
          changes={saving.changes.map((change) => ({
            id: change.id,
            name: `Variable ${isolated((change.mine ?? change.theirs ?? change.base)?.Name ?? "")}`,
            by: change.by,
            isNew: change.base === undefined,
            removedBy: removedBy(change),
            fields: differencesIn({
              ...change,
              base: comparable(change.base, values),
              mine: comparable(change.mine, values),
              theirs: comparable(change.theirs, values),
            }),
          }))}
        />
      )}
      {variables.length === 0 ? (
        <EmptyState title="No variables yet" action={<AddButton isPrimary onPress={add} />}>
          A variable has a name, such as Database.Host, and one value or several: one for each environment, target or step. Scripts read it,
          and fields fill it in where they say {"#{Database.Host}"}.
        </EmptyState>
      ) : (
        <>
          <SearchField
            className={css["filter"]!}
            value={q}
            onChange={(text) => void navigate({ search: text === "" ? {} : { q: text }, replace: true, resetScroll: false })}
          >
            <Label className="visually-hidden">Filter variables</Label>
            <Input className={fieldCss["input"]!} placeholder="Filter by name, value or scope" />
          </SearchField>
          {fitting.length === 0 ? (
            <EmptyState
              title="No variable fits the filter"
              action={<Button onPress={() => void navigate({ search: {}, replace: true })}>Clear the filter</Button>}
            >
              {variables.length} values are hidden.
            </EmptyState>
          ) : (
            <Table label="Variables" columns={["Name", "Value", "Scope"]}>
              {fitting.slice(0, rowsMax).map((variable) => (
                <tr key={variable.Id}>
                  <th scope="row" className={css["name"]}>
                    <PlainButton className={css["open"]!} aria-label={`Edit ${variable.Name}`} onPress={() => setOpenId(variable.Id)}>
                      {variable.Name === "" ? "(without a name)" : variable.Name}
                    </PlainButton>
                    {isEdited(variable) && <span className={css["edited"]}>not saved</span>}
                    {ambiguous.has(variable.Id) && (
                      <span className={css["ambiguous"]}>
                        <TriangleAlert size={14} aria-hidden /> same name and scope twice
                      </span>
                    )}
                  </th>
                  <td className={css["value"]}>
                    <Value variable={variable} />
                  </td>
                  <td className={css["scope"]}>
                    <Scope variable={variable} values={values} />
                  </td>
                </tr>
              ))}
            </Table>
          )}
          {fitting.length > rowsMax && (
            <div className={css["more"]}>
              <Button onPress={() => setRowsMax((before) => before + rowsStep)}>Show more of {fitting.length} values</Button>
            </div>
          )}
        </>
      )}
      {open !== undefined && (
        <VariableDialog
          variable={open}
          hasStoredSecret={stored.get(open.Id)?.IsSensitive === true}
          values={values}
          onChange={(next) => draft.change((rows) => rows.map((one) => (one.Id === next.Id ? next : one)))}
          onRemove={() => remove(open)}
          onLeave={() => setOpenId(undefined)}
        />
      )}
      <UnsavedGuard isUnsaved={draft.isChanged} what="the variables" />
    </>
  );
}

function AddButton({ isPrimary, onPress }: { isPrimary?: boolean; onPress(): void }) {
  return (
    <Button {...(isPrimary === true ? { weight: "primary" as const } : {})} onPress={onPress}>
      <Plus size={16} aria-hidden />
      Add variable
    </Button>
  );
}

function Value({ variable }: { variable: Variable }) {
  if (variable.IsSensitive) {
    return (
      <span className={css["secret"]}>
        <KeyRound size={14} aria-hidden /> {variable.Value === null ? "sensitive, stored" : "sensitive, new"}
      </span>
    );
  }
  const text = shownValue(variable);
  return text === "" ? <span className="muted">empty</span> : <code>{text}</code>;
}

function Scope({ variable, values }: { variable: Variable; values: VariableSet["ScopeValues"] }) {
  const texts = scopeTexts(variable, values);
  if (texts.length === 0) return <span className="muted">everywhere</span>;
  return texts.map(({ kind, names }) => (
    <div key={kind}>
      <span className="muted">{kind}:</span> {names.map(isolated).join(", ")}
    </div>
  ));
}
