// What stands in place of a page that broke, that is not there, or that could not be loaded.

import { useRouter } from "@tanstack/react-router";
import type { ErrorComponentProps } from "@tanstack/react-router";
import { useEffect } from "react";
import { lookForNewBuild } from "../api/portal-build.ts";
import { ApiError } from "../api/request.ts";
import { Button, ButtonLink } from "../design/button.tsx";
import { Notice } from "../design/notice.tsx";
import { PageHeader } from "../design/page.tsx";
import { EmptyState, ErrorPanel } from "../design/view-states.tsx";

export function PageProblem({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const isPartMissing = /dynamically imported module|Importing a module script failed|error loading dynamically/i.test(String(error));
  useEffect(() => void lookForNewBuild(), []);
  if (isPartMissing) {
    return (
      <Notice kind="warning" isSpoken actions={<Button onPress={() => location.reload()}>Reload</Button>}>
        This part of the portal could not be loaded: the server was updated, or the connection is gone.
      </Notice>
    );
  }
  return (
    <>
      <PageHeader title="This page could not be shown" />
      <ErrorPanel
        title={error instanceof ApiError ? "The server did not give what it needs" : "The page has a fault"}
        error={error}
        onRetry={() => {
          reset();
          void router.invalidate();
        }}
      />
    </>
  );
}

export function PageNotFound() {
  return (
    <>
      <PageHeader title="There is no such page" />
      <EmptyState
        title="Nothing is at this address"
        action={
          <ButtonLink weight="primary" href={{ to: "/app" }}>
            To the dashboard
          </ButtonLink>
        }
      >
        The link may be old, or what it leads to was deleted.
      </EmptyState>
    </>
  );
}
