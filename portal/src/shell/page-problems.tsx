// What stands in place of a page that broke, that is not there, or that could not be loaded.

import { useRouter } from "@tanstack/react-router";
import type { ErrorComponentProps } from "@tanstack/react-router";
import { useCallback, useEffect, useRef } from "react";
import { connection } from "../api/connection.ts";
import { lookForNewBuild } from "../api/portal-build.ts";
import { ApiError } from "../api/request.ts";
import { useStore } from "../api/store.ts";
import { Button, ButtonLink } from "../design/button.tsx";
import { Notice } from "../design/notice.tsx";
import { PageHeader } from "../design/page.tsx";
import { EmptyState, ErrorPanel } from "../design/view-states.tsx";
import { PartMissing } from "./lazy-page.ts";

export function PageProblem({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const { state } = useStore(connection);
  const isLive = state === "live";
  const wasLost = useRef(false);
  const again = useCallback(() => {
    if (error instanceof PartMissing) error.retry();
    reset();
    void router.invalidate();
  }, [error, reset, router]);
  useEffect(() => void lookForNewBuild(), []);
  useEffect(() => {
    if (!isLive) wasLost.current = true;
    else if (wasLost.current) again();
  }, [isLive, again]);
  if (error instanceof PartMissing) {
    return (
      <>
        <PageHeader title="This page could not be loaded" />
        <Notice
          kind="warning"
          isSpoken
          actions={
            <>
              <Button onPress={again}>Try again</Button>
              <Button onPress={() => location.reload()}>Reload</Button>
            </>
          }
        >
          The connection is gone, or the server was updated. It is tried again when the connection is back.
        </Notice>
      </>
    );
  }
  return (
    <>
      <PageHeader title="This page could not be shown" />
      <ErrorPanel
        title={error instanceof ApiError ? "The server did not give what it needs" : "The page has a fault"}
        error={error}
        onRetry={again}
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
