// A target whose agent is installed already and listens: its address, the thumbprint that the server found there or a person typed, and
// where it belongs.

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { createMachine, discoverMachine } from "../../api/machines.ts";
import { Button } from "../../design/button.tsx";
import { TextField } from "../../design/field.tsx";
import { Notice } from "../../design/notice.tsx";
import { Panel } from "../../design/page.tsx";
import { ErrorPanel } from "../../design/view-states.tsx";
import { MembershipFields, allRoles, useNewMembership } from "./membership-fields.tsx";
import css from "./targets.module.css";

const portDefault = "10933";

export function AddByHand({ space }: { space: string }) {
  const router = useRouter();
  const queries = useQueryClient();
  const [host, setHost] = useState("");
  const [port, setPort] = useState(portDefault);
  const [thumbprint, setThumbprint] = useState("");
  const [name, setName] = useState("");
  const [membership, setMembership] = useNewMembership(space);
  const portNumber = /^\d{1,5}$/.test(port.trim()) && Number(port) >= 1 && Number(port) <= 65_535 ? Number(port) : undefined;
  const portError = portNumber === undefined ? "A number from 1 to 65535." : undefined;

  const discover = useMutation({
    mutationFn: (address: { host: string; port: number }) => discoverMachine(space, address.host, address.port),
    onSuccess: (found) => {
      setThumbprint(found.Thumbprint ?? "");
      setName((before) => (before.trim() === "" ? found.Name : before));
    },
  });
  const add = useMutation({
    mutationFn: () => {
      const address = host.trim().includes(":") && !host.trim().startsWith("[") ? `[${host.trim()}]` : host.trim();
      return createMachine(space, {
        Name: name.trim(),
        EnvironmentIds: [...membership.environments],
        Roles: allRoles(membership),
        Endpoint: { CommunicationStyle: "TentaclePassive", Uri: `https://${address}:${portNumber}/`, Thumbprint: thumbprint.trim() },
      });
    },
    onSuccess: async (machine) => {
      void queries.invalidateQueries({ queryKey: ["machines", space] });
      await router.navigate({ to: "/app/$space/infrastructure/targets/$machine", params: { space, machine: machine.Id } });
    },
  });
  return (
    <Panel title="An agent that listens">
      <form
        className={css["form"]}
        onSubmit={(event) => {
          event.preventDefault();
          if (!add.isPending && portNumber !== undefined) add.mutate();
        }}
      >
        <TextField label="Host name or address" value={host} onChange={setHost} placeholder="web1.example.com" />
        <TextField label="Port" value={port} onChange={setPort} error={portError} inputMode="numeric" />
        <div className={css["row"]}>
          <Button
            isPending={discover.isPending}
            isDisabled={host.trim() === "" || portNumber === undefined}
            onPress={() => discover.mutate({ host: host.trim(), port: portNumber! })}
          >
            {discover.isPending ? "Calling it …" : "Ask who is there"}
          </Button>
        </div>
        {discover.isError && <ErrorPanel title="No agent was found" error={discover.error} />}
        {discover.isSuccess && (
          <Notice kind="good" isSpoken>
            An agent answers. Compare its thumbprint with the one that the machine shows; only an agent that has it is trusted.
          </Notice>
        )}
        <TextField
          label="Thumbprint"
          value={thumbprint}
          onChange={setThumbprint}
          isCode
          help="Of the agent's certificate, as cuttle-agent show-thumbprint says it on the machine. It has to trust this server in turn."
        />
        <TextField label="Name" value={name} onChange={setName} />
        <MembershipFields space={space} value={membership} onChange={setMembership} />
        {add.isError && <ErrorPanel title="The target was not added" error={add.error} />}
        <div className={css["row"]}>
          <Button type="submit" weight="primary" isPending={add.isPending}>
            Add target
          </Button>
        </div>
      </form>
    </Panel>
  );
}
