// The person who is signed in: their name, and API keys, each of which is shown once.

import { useMutation, useQuery, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { ApiKey, NewApiKey, User } from "../../api/documents.ts";
import { apiKeysQuery, createApiKey, deleteApiKey, saveName } from "../../api/profile.ts";
import { meQuery } from "../../api/session.ts";
import { Button } from "../../design/button.tsx";
import { ConfirmButton } from "../../design/confirm-button.tsx";
import { CopyLine } from "../../design/copy-line.tsx";
import { TextField } from "../../design/field.tsx";
import { Loaded } from "../../design/loaded.tsx";
import { PageColumn, PageHeader, Panel } from "../../design/page.tsx";
import { Select } from "../../design/select.tsx";
import { Table } from "../../design/table.tsx";
import { MomentText, TimeText } from "../../design/time-text.tsx";
import { ErrorPanel, Skeleton } from "../../design/view-states.tsx";
import css from "./profile-page.module.css";

export function ProfilePage() {
  const { data: me } = useSuspenseQuery(meQuery);
  return (
    <PageColumn>
      <PageHeader title="Profile" beside={<p className="muted">Signed in as {me.Username}</p>} />
      <Name me={me} />
      <Keys me={me} />
    </PageColumn>
  );
}

function Name({ me }: { me: User }) {
  const queries = useQueryClient();
  /** Undefined: as it is saved. */
  const [name, setName] = useState<string>();
  const save = useMutation({
    mutationFn: (next: string) => saveName(me.Id, next),
    onSuccess: (saved, sent) => {
      queries.setQueryData(meQuery.queryKey, saved);
      setName((now) => (now?.trim() === sent ? undefined : now));
    },
  });
  const isChanged = name !== undefined && name.trim() !== "" && name.trim() !== me.DisplayName;
  return (
    <Panel title="Name">
      <form
        className={css["form"]}
        onSubmit={(event) => {
          event.preventDefault();
          if (isChanged && !save.isPending) save.mutate(name.trim());
        }}
      >
        <TextField label="Display name" value={name ?? me.DisplayName} onChange={setName} autoComplete="name" />
        {save.isError && <ErrorPanel title="The name was not saved" error={save.error} />}
        <div className={css["row"]}>
          <Button type="submit" isDisabled={!isChanged} isPending={save.isPending}>
            Save
          </Button>
          <span role="status" className="muted">
            {isChanged ? "Not saved yet." : save.isSuccess ? "Saved." : ""}
          </span>
        </div>
      </form>
    </Panel>
  );
}

const lifetimes = [
  { id: "30", name: "30 days" },
  { id: "90", name: "90 days" },
  { id: "365", name: "a year" },
  { id: "never", name: "until it is deleted" },
] as const;
type Lifetime = (typeof lifetimes)[number]["id"];
const dayMs = 24 * 60 * 60_000;

function Keys({ me }: { me: User }) {
  const query = useQuery(apiKeysQuery(me.Id));
  const queries = useQueryClient();
  const [purpose, setPurpose] = useState("");
  const [lifetime, setLifetime] = useState<Lifetime>("90");
  /** Shown until another one is made or the page is left. */
  const [made, setMade] = useState<NewApiKey>();
  const make = useMutation({
    mutationFn: () =>
      createApiKey(me.Id, purpose.trim(), lifetime === "never" ? null : new Date(Date.now() + Number(lifetime) * dayMs).toISOString()),
    onSuccess: (key) => {
      setMade(key);
      setPurpose("");
      void queries.invalidateQueries({ queryKey: apiKeysQuery(me.Id).queryKey });
    },
  });
  return (
    <Panel title="API keys">
      <div className={css["keys"]}>
        <p className="muted">With a key a program acts as you, in everything that you may do.</p>
        <form
          className={css["form"]}
          onSubmit={(event) => {
            event.preventDefault();
            if (!make.isPending) make.mutate();
          }}
        >
          <TextField label="What it is for" value={purpose} onChange={setPurpose} placeholder="Build server" />
          <Select<Lifetime> label="Good for" value={lifetime} options={lifetimes} onChange={setLifetime} />
          {make.isError && <ErrorPanel title="The key was not made" error={make.error} />}
          <div className={css["row"]}>
            <Button type="submit" weight="primary" isPending={make.isPending} isDisabled={purpose.trim() === ""}>
              Make a key
            </Button>
          </div>
        </form>
        {made !== undefined && (
          <div className={css["made"]} role="status">
            <CopyLine label={`The key for ${made.Purpose}`} text={made.ApiKey} />
            <p>It is shown this once: the server keeps only a hash of it. Copy it now.</p>
          </div>
        )}
        <Loaded query={query} what="Your API keys" skeleton={<Skeleton height="8rem" />}>
          {(keys) =>
            keys.length === 0 ? (
              <p className="muted">You have no keys.</p>
            ) : (
              <Table label="API keys" columns={["For", "Begins with", "Made", "Good until", "Delete"]}>
                {keys.map((key) => (
                  <tr key={key.Id}>
                    <th scope="row">{key.Purpose}</th>
                    <td>
                      <code>{key.ApiKey.Hint}…</code>
                    </td>
                    <td>
                      <TimeText at={key.Created} />
                    </td>
                    <td>
                      <Expiry at={key.Expires} />
                    </td>
                    <td>
                      <Delete me={me} apiKey={key} onDeleted={() => setMade((now) => (now?.Id === key.Id ? undefined : now))} />
                    </td>
                  </tr>
                ))}
              </Table>
            )
          }
        </Loaded>
      </div>
    </Panel>
  );
}

function Expiry({ at }: { at: string | null }) {
  if (at === null) return "it is deleted";
  if (Date.parse(at) > Date.now()) return <MomentText at={at} />;
  return (
    <>
      over since <MomentText at={at} />
    </>
  );
}

function Delete({ me, apiKey, onDeleted }: { me: User; apiKey: ApiKey; onDeleted(): void }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => deleteApiKey(me.Id, apiKey.Id),
    onSuccess: async () => {
      onDeleted();
      await queries.invalidateQueries({ queryKey: apiKeysQuery(me.Id).queryKey });
    },
  });
  return (
    <ConfirmButton
      isQuiet
      text="Delete …"
      label={`Delete … the key for ${apiKey.Purpose}`}
      question={`Delete the key for ${apiKey.Purpose}?`}
      confirm="Delete the key"
      failure="The key was not deleted"
      work={remove}
    >
      Programs that use it are refused from their next request on.
    </ConfirmButton>
  );
}
