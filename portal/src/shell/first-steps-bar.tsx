// Across every page while somebody is on the way through the first steps: how far it is, and the way to what comes next.

import { useQuery } from "@tanstack/react-query";
import { useRouter, useRouterState } from "@tanstack/react-router";
import type { ToOptions } from "@tanstack/react-router";
import { X } from "lucide-react";
import { useEffect, useState } from "react";
import { firstRunQuery } from "../api/first-run.ts";
import { Button, ButtonLink } from "../design/button.tsx";
import { Notice } from "../design/notice.tsx";
import { firstSteps } from "./first-steps.ts";
import { guide } from "./guide.ts";

export function FirstStepsBar({ space }: { space: string }) {
  const { data: state } = useQuery(firstRunQuery(space));
  const router = useRouter();
  const place = useRouterState({ select: ({ location }) => location.pathname });
  const isThere = (href: ToOptions): boolean => router.buildLocation(href as never).pathname === place;
  const isOver = state?.deployment === "succeeded";
  const all: ToOptions = { to: "/app/$space/start", params: { space } };
  /** It was over before: then nobody needs to be told. */
  const [wasOver, setWasOver] = useState<boolean>();
  if (wasOver === undefined && state !== undefined) setWasOver(isOver);
  useEffect(() => {
    if (wasOver === true) guide(undefined);
  }, [wasOver]);
  if (state === undefined || isThere(all) || wasOver === true) return null;
  const { steps, next, done } = firstSteps(space, state);
  return (
    <Notice
      kind={isOver ? "good" : "plain"}
      isSpoken
      actions={
        <>
          {next?.way !== undefined && !isThere(next.way.href) && (
            <ButtonLink weight="primary" href={next.way.href}>
              {next.way.label}
            </ButtonLink>
          )}
          {isOver ? (
            <ButtonLink href={{ to: "/app/$space", params: { space } }} onPress={() => guide(undefined)}>
              See it on the dashboard
            </ButtonLink>
          ) : (
            <ButtonLink href={all}>All first steps</ButtonLink>
          )}
          <Button isIcon weight="quiet" aria-label="Leave the first steps" onPress={() => guide(undefined)}>
            <X size={16} aria-hidden />
          </Button>
        </>
      }
    >
      {isOver ? (
        <>
          <strong>The first deployment has succeeded.</strong> All first steps are done.
        </>
      ) : (
        <>
          <strong>
            First steps: {done} of {steps.length} done.
          </strong>{" "}
          {next === undefined
            ? "The deployment is made; what is left is that it succeeds."
            : `Next: ${next.title.toLowerCase()}${next.isOptional === true ? ", which may be left out" : ""}.`}
        </>
      )}
    </Notice>
  );
}
