// Environments and target tags of a target (the API calls them roles), as every form about targets asks for them: those that exist are ticked,
// new ones are written.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { CheckboxGroup, Label, Text } from "react-aria-components";
import type { Environment } from "../../api/documents.ts";
import { environmentsQuery } from "../../api/environments.ts";
import { machineRolesQuery } from "../../api/machines.ts";
import { Checkbox, TextField } from "../../design/field.tsx";
import fieldCss from "../../design/field.module.css";
import { useNarrowed } from "../../design/narrowing.tsx";
import { ErrorPanel } from "../../design/view-states.tsx";
import css from "./targets.module.css";

export interface Membership {
  environments: readonly string[];
  roles: readonly string[];
  /** Not there yet, separated by commas. */
  newRoles: string;
}

/** Check boxes drawn at once of each kind, beside those that are ticked. */
const boxesMax = 50;
const noEnvironments: readonly Environment[] = [];

/** Of a target that is still to be made. Where there is one environment only, it is that. */
export function useNewMembership(space: string): [Membership, (next: Membership) => void] {
  const { data: environments = noEnvironments } = useQuery(environmentsQuery(space));
  const [chosen, setChosen] = useState<Membership>();
  const only = environments.length === 1 ? environments.map(({ Id }) => Id) : [];
  return [chosen ?? { environments: only, roles: [], newRoles: "" }, setChosen];
}

export function allRoles({ roles, newRoles }: Pick<Membership, "roles" | "newRoles">): string[] {
  const written = newRoles
    .split(",")
    .map((role) => role.trim())
    .filter((role) => role !== "");
  return [...new Set([...roles, ...written])];
}

interface MembershipFieldsProps {
  space: string;
  value: Membership;
  onChange(next: Membership): void;
}

export function MembershipFields({ space, value, onChange }: MembershipFieldsProps) {
  const environments = useQuery(environmentsQuery(space));
  const roles = useQuery(machineRolesQuery(space));
  const offered = [...new Set([...(roles.data ?? []), ...value.roles])].sort((a, b) => a.localeCompare(b));
  const narrowEnvironments = useNarrowed(environments.data ?? noEnvironments, {
    label: "Find environments",
    max: boxesMax,
    textOf: ({ Name }) => Name,
    isKept: ({ Id }) => value.environments.includes(Id),
  });
  const narrowRoles = useNarrowed(offered, {
    label: "Find target tags",
    max: boxesMax,
    textOf: (role) => role,
    isKept: (role) => value.roles.includes(role),
  });
  return (
    <>
      {environments.isError && <ErrorPanel title="The environments could not be read" error={environments.error} />}
      {environments.data?.length === 0 && (
        <p className="muted">There is no environment yet. A target belongs to at least one: create one first, such as Production.</p>
      )}
      <CheckboxGroup
        className={css["choices"]!}
        value={[...value.environments]}
        onChange={(chosen) => onChange({ ...value, environments: chosen })}
      >
        <Label className={fieldCss["label"]!}>Environments</Label>
        {narrowEnvironments.field}
        <div className={css["options"]}>
          {narrowEnvironments.shown.map((one) => (
            <Checkbox key={one.Id} value={one.Id}>
              {one.Name}
            </Checkbox>
          ))}
        </div>
      </CheckboxGroup>
      <CheckboxGroup className={css["choices"]!} value={[...value.roles]} onChange={(chosen) => onChange({ ...value, roles: chosen })}>
        <Label className={fieldCss["label"]!}>Target tags</Label>
        <Text slot="description" className={fieldCss["help"]!}>
          What the machine is for. A step names tags, and runs on every target that has one of them.
        </Text>
        {narrowRoles.field}
        <div className={css["options"]}>
          {narrowRoles.shown.map((role) => (
            <Checkbox key={role} value={role}>
              {role}
            </Checkbox>
          ))}
        </div>
      </CheckboxGroup>
      <TextField
        label="New target tags"
        value={value.newRoles}
        onChange={(newRoles) => onChange({ ...value, newRoles })}
        placeholder="web, database"
        help="Separated by commas."
      />
    </>
  );
}
