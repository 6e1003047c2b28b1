// What changes in an environment when a release takes the place of the one that is there.

import { useQuery } from "@tanstack/react-query";
import type { Release } from "../../api/documents.ts";
import { releaseDifferencesQuery } from "../../api/release-differences.ts";
import type { Difference } from "../../api/release-differences.ts";
import { Loaded } from "../../design/loaded.tsx";
import { TextDifference } from "../../design/text-difference.tsx";
import { Skeleton } from "../../design/view-states.tsx";
import css from "./deploy-page.module.css";

const words: Readonly<Record<Difference["kind"], string>> = { added: "is added", removed: "is taken away", other: "changes" };
/** More than anybody reads before a deployment. */
const shownMax = 50;

export function ReleaseDifferences({ space, before, after }: { space: string; before: Release; after: Release }) {
  const query = useQuery(releaseDifferencesQuery(space, before, after));
  return (
    <Loaded query={query} what="What changes" skeleton={<Skeleton height="3rem" />}>
      {({ differences, isReordered }) => (
        <div className={css["differences"]}>
          <h3>
            What changes from {before.Version} to {after.Version}
          </h3>
          {differences.length === 0 && !isReordered && (
            <p className="muted">Nothing but the number: steps, variables and packages are the same.</p>
          )}
          {isReordered && <p>The steps run in another order.</p>}
          <ul className={css["differenceList"]}>
            {differences.slice(0, shownMax).map((one) => (
              <li key={one.id}>
                <strong>{one.name}</strong> {words[one.kind]}
                {one.fields.map(({ field, before: was, after: is }) => (
                  <div key={field} className={css["difference"]}>
                    <span className="muted">{field}</span> <TextDifference name={`${one.name}, ${field}`} before={was} after={is} />
                  </div>
                ))}
              </li>
            ))}
          </ul>
          {differences.length > shownMax && <p className="muted">and {differences.length - shownMax} more.</p>}
          <p className="muted small">Values of secrets are not compared.</p>
        </div>
      )}
    </Loaded>
  );
}
