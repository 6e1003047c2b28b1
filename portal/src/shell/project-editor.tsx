// The head of an editor of a project's process or variables: how far what is shown is saved, and how the last save came out.

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Project } from "../api/documents.ts";
import type { Draft, DraftSave } from "../api/draft.ts";
import type { Row } from "../api/row-merge.ts";
import { Button, ButtonLink } from "../design/button.tsx";
import { Notice } from "../design/notice.tsx";
import { PageHeader } from "../design/page.tsx";
import { ErrorPanel } from "../design/view-states.tsx";
import css from "./project-editor.module.css";
import { ProjectTabs } from "./project-tabs.tsx";

interface ProjectEditorHeadProps<D extends { Version: number }, T extends Row> {
  title: string;
  /** As in "the process was". */
  subject: string;
  space: string;
  /** Slug or id, as in the address. */
  slug: string;
  /** Undefined until it is known. */
  project: Project | undefined;
  draft: Draft<D, T>;
  saving: DraftSave;
  /** Adds a row; undefined while the page shows it elsewhere. */
  adder: ReactNode;
  onThrowAway(): void;
  /** Further messages. */
  children: ReactNode;
}

export function ProjectEditorHead<D extends { Version: number }, T extends Row>(props: ProjectEditorHeadProps<D, T>) {
  const { title, subject, space, slug, project, draft, saving, adder, onThrowAway, children } = props;
  const params = { space, project: slug };
  return (
    <>
      <PageHeader
        title={title}
        within={[project?.Name ?? "", "Projects"].filter(Boolean)}
        above={
          <Link to="/app/$space/projects/$project" params={params}>
            {project?.Name ?? "Project"}
          </Link>
        }
        beside={
          <p className="muted" role="status">
            {draft.isChanged
              ? "There are changes that are not saved."
              : draft.base.Version === 0
                ? "Nothing is saved yet."
                : `Version ${draft.base.Version}, saved.`}
          </p>
        }
        actions={
          <>
            {draft.rows.length > 0 && !draft.isChanged && (
              <ButtonLink href={{ to: "/app/$space/projects/$project", params, search: { new: true } }}>Create release</ButtonLink>
            )}
            {adder}
            {draft.isChanged && <Button onPress={onThrowAway}>Throw changes away</Button>}
            <Button weight="primary" isDisabled={saving.isOff} isPending={saving.isPending} onPress={saving.saveNow}>
              {draft.theirs === undefined ? "Save" : "Put together and save"}
            </Button>
          </>
        }
      />
      <ProjectTabs space={space} project={slug} />
      <div className={css["messages"]}>
        {saving.error !== null && (
          <ErrorPanel
            title={
              saving.isUnknown
                ? `It is not known whether ${subject} saved`
                : `${subject.charAt(0).toUpperCase()}${subject.slice(1)} not saved`
            }
            error={saving.error}
          />
        )}
        {saving.isReadingTheirs && <Notice>Reading what somebody else saved meanwhile …</Notice>}
        {children}
      </div>
    </>
  );
}
