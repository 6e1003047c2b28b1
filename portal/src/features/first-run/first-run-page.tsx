// From an empty server to a first deployment: five steps that tick themselves, each with the way to the page where it is done. One may leave
// and come back at any time.

import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { CircleCheck } from "lucide-react";
import { useEffect } from "react";
import { firstRunQuery } from "../../api/first-run.ts";
import type { FirstRun } from "../../api/first-run.ts";
import { ButtonLink } from "../../design/button.tsx";
import { joined } from "../../design/class-names.ts";
import { Loaded } from "../../design/loaded.tsx";
import { Notice } from "../../design/notice.tsx";
import { PageHeader } from "../../design/page.tsx";
import { Skeleton } from "../../design/view-states.tsx";
import { firstSteps } from "../../shell/first-steps.ts";
import { guide } from "../../shell/guide.ts";
import css from "./first-run-page.module.css";

const route = getRouteApi("/signed-in/app/$space/start");

export function FirstRunPage() {
  const { space } = route.useParams();
  const query = useQuery(firstRunQuery(space));
  return (
    <div className={css["page"]}>
      <PageHeader title="First steps" beside={<p className="muted">From an empty server to a first deployment.</p>} />
      <Loaded query={query} what="How far this space is" skeleton={<Skeleton height="24rem" />}>
        {(state) => <Steps space={space} state={state} />}
      </Loaded>
    </div>
  );
}

function Steps({ space, state }: { space: string; state: FirstRun }) {
  const { steps, next, done } = firstSteps(space, state);
  const isOver = state.deployment === "succeeded";
  // Until it is over, the pages it leads to say what comes next.
  useEffect(() => guide(isOver ? undefined : space), [isOver, space]);
  return (
    <>
      <p role="status" className={css["status"]}>
        {done} of {steps.length} are done.
      </p>
      {isOver && (
        <Notice
          kind="good"
          actions={
            <ButtonLink weight="primary" href={{ to: "/app/$space", params: { space } }}>
              Dashboard
            </ButtonLink>
          }
        >
          <strong>The first deployment is made.</strong> The dashboard shows what is where.
        </Notice>
      )}
      <ol className={css["steps"]}>
        {steps.map((step, index) => (
          <li key={step.id} className={joined(css["step"], step === next && css["next"])} aria-current={step === next ? "step" : undefined}>
            <span className={css["mark"]}>
              {step.isDone ? (
                <CircleCheck size={24} role="img" aria-label="Done" className={css["done"]} />
              ) : (
                <span className={css["number"]} aria-hidden>
                  {index + 1}
                </span>
              )}
            </span>
            <div className={css["what"]}>
              <h2>
                {step.title} {step.isOptional === true && !step.isDone && <span className="muted small">may be left out</span>}
              </h2>
              <p className="muted">{step.text}</p>
              {!step.isDone && step.needs !== undefined && <p className="muted small">Comes later: {step.needs}.</p>}
            </div>
            {(step.isDone || step.needs === undefined) && step.way !== undefined && (
              <ButtonLink {...(step === next ? { weight: "primary" as const } : {})} href={step.way.href}>
                {step.way.label}
              </ButtonLink>
            )}
          </li>
        ))}
      </ol>
    </>
  );
}
