// Adding a target: by one line that is pasted on the machine, watched until the target is healthy, or by hand from its address.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import type { NewInstallToken } from "../../api/documents.ts";
import { createInstallToken, installTokensQuery, isOpen } from "../../api/install-tokens.ts";
import { isolated } from "../../design/isolated.ts";
import { Button } from "../../design/button.tsx";
import { TextField } from "../../design/field.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { PageColumn, PageHeader, Panel } from "../../design/page.tsx";
import { Select } from "../../design/select.tsx";
import { Table } from "../../design/table.tsx";
import { MomentText, TimeText } from "../../design/time-text.tsx";
import { ErrorPanel } from "../../design/view-states.tsx";
import { AddByHand } from "./add-by-hand.tsx";
import { InstallProgress } from "./install-progress.tsx";
import { MembershipFields, allRoles, useNewMembership } from "./membership-fields.tsx";
import css from "./targets.module.css";

const route = getRouteApi("/signed-in/app/$space/infrastructure/targets/new");

export function AddTargetPage() {
  const { space } = route.useParams();
  const { by, token } = route.useSearch();
  const navigate = route.useNavigate();
  /** The line is told once, and kept only while this page stays open. */
  const [made, setMade] = useState<NewInstallToken>();
  // Back from the other way, the line that was made is still there.
  const lineToken = by === undefined ? token : made?.Id;
  const lineSearch = lineToken === undefined ? {} : { token: lineToken };
  return (
    <PageColumn isWide>
      <PageHeader
        title="Add target"
        within={["Targets", "Infrastructure"]}
        above={
          <Link to="/app/$space/infrastructure/targets" params={{ space }}>
            Targets
          </Link>
        }
      />
      <nav aria-label="Ways to add a target">
        <ul className={css["ways"]}>
          <li>
            <Link
              to="/app/$space/infrastructure/targets/new"
              params={{ space }}
              search={lineSearch}
              activeOptions={{ exact: true, includeSearch: true }}
            >
              By one line
            </Link>
          </li>
          <li>
            <Link
              to="/app/$space/infrastructure/targets/new"
              params={{ space }}
              search={{ by: "hand" }}
              activeOptions={{ exact: true, includeSearch: true }}
            >
              By its address
            </Link>
          </li>
        </ul>
      </nav>
      {by === "hand" ? (
        <AddByHand space={space} />
      ) : token !== undefined ? (
        <InstallProgress key={token} space={space} token={token} lines={made?.Id === token ? made : undefined} />
      ) : (
        <>
          <LineForm
            space={space}
            onMade={(next) => {
              setMade(next);
              void navigate({ search: { token: next.Id } });
            }}
          />
          <OpenLines space={space} />
        </>
      )}
    </PageColumn>
  );
}

type Style = NewInstallToken["CommunicationStyle"];

const styles: readonly { id: Style; name: string }[] = [
  { id: "TentacleActive", name: "The agent calls the server (polls)" },
  { id: "TentaclePassive", name: "The server calls the agent (listens)" },
];

function LineForm({ space, onMade }: { space: string; onMade(made: NewInstallToken): void }) {
  const queries = useQueryClient();
  const [style, setStyle] = useState<Style>("TentacleActive");
  const [membership, setMembership] = useNewMembership(space);
  const [name, setName] = useState("");
  const [comms, setComms] = useState("");
  const make = useMutation({
    mutationFn: () =>
      createInstallToken(space, {
        CommunicationStyle: style,
        EnvironmentIds: [...membership.environments],
        Roles: allRoles(membership),
        MachineName: name.trim() === "" ? null : name.trim(),
        CommsAddress: style === "TentacleActive" && comms.trim() !== "" ? comms.trim() : null,
      }),
    onSuccess: (made) => {
      void queries.invalidateQueries({ queryKey: installTokensQuery(space).queryKey });
      onMade(made);
    },
  });
  return (
    <Panel title="A line for a Linux machine">
      <form
        className={css["form"]}
        onSubmit={(event) => {
          event.preventDefault();
          if (!make.isPending) make.mutate();
        }}
      >
        <p className="muted">
          Pasted into a shell of the machine, it installs the agent with all it needs and makes the machine a target. It is good for one
          machine and one hour.
        </p>
        <Select<Style>
          label="Who calls whom"
          value={style}
          options={styles}
          onChange={setStyle}
          help={
            style === "TentacleActive"
              ? "The machine needs no open port."
              : "The server has to reach the agent's port on the machine, 10933 unless chosen otherwise."
          }
        />
        <MembershipFields space={space} value={membership} onChange={setMembership} />
        <TextField label="Name" value={name} onChange={setName} help="Left empty, it is the machine's own name." />
        {style === "TentacleActive" && (
          <TextField
            label="Address for agents"
            value={comms}
            onChange={setComms}
            placeholder="agents.example.com:10943"
            help="Where agents reach this server, when that is not the address of this page."
          />
        )}
        {make.isError && <ErrorPanel title="The line was not made" error={make.error} />}
        <div className={css["row"]}>
          <Button type="submit" weight="primary" isPending={make.isPending}>
            Make the line
          </Button>
        </div>
      </form>
    </Panel>
  );
}

function OpenLines({ space }: { space: string }) {
  const query = useQuery(installTokensQuery(space));
  return (
    <Loaded query={query} what="The lines made before" skeleton={<></>}>
      {(tokens) => {
        const open = tokens.filter(isOpen);
        if (open.length === 0) return null;
        return (
          <Panel title="Lines on their way">
            <Table label="Lines on their way" columns={["For", "How far", "Made", "Good until"]}>
              {open.map((one) => (
                <tr key={one.Id}>
                  <th scope="row">
                    <Link to="/app/$space/infrastructure/targets/new" params={{ space }} search={{ token: one.Id }}>
                      {one.MachineName ?? one.Roles.map(isolated).join(", ")}
                    </Link>
                  </th>
                  <td>{one.Message}</td>
                  <td>
                    <TimeText at={one.Created} /> by {one.CreatedBy}
                  </td>
                  <td>
                    <MomentText at={one.Expires} />
                  </td>
                </tr>
              ))}
            </Table>
          </Panel>
        );
      }}
    </Loaded>
  );
}
