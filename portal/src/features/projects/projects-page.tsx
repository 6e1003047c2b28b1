// The projects of a space by their groups, and the way to a new one.

import { useQuery } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import type { Project, ProjectGroup } from "../../api/documents.ts";
import { projectGroupsQuery, projectsQuery } from "../../api/projects.ts";
import { Button } from "../../design/button.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { PageHeader } from "../../design/page.tsx";
import { EmptyState, Skeleton } from "../../design/view-states.tsx";
import { NewProjectDialog } from "./new-project-dialog.tsx";
import css from "./projects-page.module.css";

const route = getRouteApi("/signed-in/app/$space/projects");

export function ProjectsPage() {
  const { space } = route.useParams();
  const { new: isMaking } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(projectsQuery(space));
  const { data: groups = [] } = useQuery(projectGroupsQuery(space));
  const button = (
    <Button weight="primary" onPress={() => void navigate({ search: { new: true } })}>
      New project
    </Button>
  );
  return (
    <>
      <PageHeader title="Projects" actions={query.data !== undefined && query.data.length > 0 && button} />
      <Loaded query={query} what="The projects" skeleton={<Skeleton height="12rem" />}>
        {(projects) =>
          projects.length === 0 ? (
            <EmptyState title="No projects yet" action={button}>
              A project is what is deployed: its steps, its variables and its releases.
            </EmptyState>
          ) : (
            <div className={css["groups"]}>
              {byGroup(projects, groups).map((group) => (
                <section key={group.id}>
                  <h2 className={css["heading"]}>{group.name}</h2>
                  <ul className={css["list"]}>
                    {group.projects.map((project) => (
                      <li key={project.Id} className={css["row"]}>
                        <Link to="/app/$space/projects/$project" params={{ space, project: project.Slug }} className={css["name"]}>
                          {project.Name}
                        </Link>
                        {project.IsDisabled && <span className="muted">disabled</span>}
                        {project.Description !== "" && <span className="muted">{project.Description}</span>}
                      </li>
                    ))}
                  </ul>
                </section>
              ))}
            </div>
          )
        }
      </Loaded>
      <NewProjectDialog space={space} isOpen={isMaking === true} onLeave={() => void navigate({ search: {}, replace: true })} />
    </>
  );
}

function byGroup(projects: readonly Project[], groups: readonly ProjectGroup[]): { id: string; name: string; projects: Project[] }[] {
  const names = new Map(groups.map((one) => [one.Id, one.Name]));
  const found = Map.groupBy(projects, (one) => one.ProjectGroupId);
  return [...found]
    .map(([id, list]) => ({ id, name: names.get(id) ?? id, projects: list }))
    .toSorted((a, b) => a.name.localeCompare(b.name));
}
