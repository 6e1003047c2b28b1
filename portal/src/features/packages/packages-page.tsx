// The packages of the built-in feed: the newest of each, all versions of one, and the place where files are dropped.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { Input, Label, SearchField } from "react-aria-components";
import type { Package, Page } from "../../api/documents.ts";
import { deletePackage, packagesPerPage, packagesQuery } from "../../api/packages.ts";
import type { PackageFilter } from "../../api/packages.ts";
import { Button } from "../../design/button.tsx";
import { ConfirmButton } from "../../design/confirm-button.tsx";
import fieldCss from "../../design/field.module.css";
import { Loaded } from "../../design/loaded.tsx";
import { PageHeader } from "../../design/page.tsx";
import { Table } from "../../design/table.tsx";
import { TimeText } from "../../design/time-text.tsx";
import { EmptyState, Skeleton } from "../../design/view-states.tsx";
import css from "./packages.module.css";
import { sizeText } from "./size-text.ts";
import { UploadPlace } from "./upload-place.tsx";

const route = getRouteApi("/signed-in/app/$space/library/packages");

export function PackagesPage() {
  const { space } = route.useParams();
  const filter = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(packagesQuery(space, filter));
  const { id, q } = filter;
  return (
    <div className={css["page"]}>
      <PageHeader
        title={id ?? "Packages"}
        within={id === undefined ? ["Library"] : ["Packages", "Library"]}
        above={
          id !== undefined && (
            <Link to="/app/$space/library/packages" params={{ space }}>
              Packages
            </Link>
          )
        }
      />
      <UploadPlace space={space} />
      <Loaded query={query} what="The packages" skeleton={<Skeleton height="20rem" />}>
        {(packages) =>
          packages.TotalResults === 0 && q === undefined ? (
            <EmptyState title={id === undefined ? "No packages yet" : `No version of ${id} is here`}>
              A package is what a step deploys: an archive that is named for what it is and its version, such as Web.1.2.3.zip. Drop one
              above, or let your build push it.
            </EmptyState>
          ) : (
            <>
              {id === undefined && (
                <SearchField
                  className={css["filter"]!}
                  value={q ?? ""}
                  onChange={(text) => void navigate({ search: text === "" ? {} : { q: text }, replace: true })}
                >
                  <Label className={fieldCss["label"]!}>Filter packages</Label>
                  <Input className={fieldCss["input"]!} placeholder="A part of the name" />
                </SearchField>
              )}
              {packages.Items.length === 0 ? (
                <EmptyState
                  title="No package fits the filter"
                  action={<Button onPress={() => void navigate({ search: {} })}>Clear the filter</Button>}
                />
              ) : (
                <List space={space} filter={filter} packages={packages} />
              )}
            </>
          )
        }
      </Loaded>
    </div>
  );
}

function List({ space, filter, packages }: { space: string; filter: PackageFilter; packages: Page<Package> }) {
  const isVersions = filter.id !== undefined;
  const page = filter.page ?? 1;
  const pages = Math.max(1, Math.ceil(packages.TotalResults / packagesPerPage));
  const { page: _page, ...rest } = filter;
  const toPage = (wanted: number): PackageFilter => ({ ...rest, ...(wanted > 1 ? { page: wanted } : {}) });
  const columns = isVersions ? ["Version", "Size", "Published", "Delete"] : ["Package", "Newest version", "Size", "Published"];
  return (
    <>
      <Table label={isVersions ? "Versions" : "Packages"} columns={columns}>
        {packages.Items.map((one) => (
          <tr key={one.Id}>
            {isVersions ? (
              <th scope="row" className="tabular">
                {one.Version}
              </th>
            ) : (
              <>
                <th scope="row">
                  <Link to="/app/$space/library/packages" params={{ space }} search={{ id: one.PackageId }}>
                    {one.PackageId}
                  </Link>
                </th>
                <td className="tabular">{one.Version}</td>
              </>
            )}
            <td className={css["size"]}>
              {sizeText(one.PackageSizeBytes)} <span className="muted small">{one.FileExtension}</span>
            </td>
            <td>
              <TimeText at={one.Published} />
            </td>
            {isVersions && (
              <td>
                <Delete space={space} one={one} />
              </td>
            )}
          </tr>
        ))}
      </Table>
      <nav className={css["pages"]} aria-label="Pages">
        <span className="muted tabular" role="status">
          {packages.TotalResults}{" "}
          {isVersions ? (packages.TotalResults === 1 ? "version" : "versions") : packages.TotalResults === 1 ? "package" : "packages"}
          {pages > 1 && `, page ${page} of ${pages}`}
        </span>
        {page > 1 && (
          <Link to="/app/$space/library/packages" params={{ space }} search={toPage(page - 1)}>
            Previous page
          </Link>
        )}
        {page < pages && (
          <Link to="/app/$space/library/packages" params={{ space }} search={toPage(page + 1)}>
            Next page
          </Link>
        )}
      </nav>
    </>
  );
}

function Delete({ space, one }: { space: string; one: Package }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => deletePackage(space, one.Id),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["packages", space] }),
  });
  return (
    <ConfirmButton
      isQuiet
      text="Delete …"
      label={`Delete … version ${one.Version}`}
      question={`Delete ${one.PackageId} ${one.Version}?`}
      confirm="Delete the version"
      failure="The package was not deleted"
      work={remove}
    >
      Releases that use this version cannot be deployed any more, until the same version is uploaded again.
    </ConfirmButton>
  );
}
