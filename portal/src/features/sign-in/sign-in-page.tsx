// Signing in with user name and password; afterwards one is where one wanted to go.

import { useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { meQuery } from "../../api/session.ts";
import markUrl from "../../design/cuttle.svg";
import { Notice } from "../../design/notice.tsx";
import { SignInForm } from "../../shell/sign-in-form.tsx";
import css from "./sign-in-page.module.css";

const route = getRouteApi("/app/signin");

export function SignInPage() {
  const { returnTo, link } = route.useSearch();
  const router = useRouter();
  const queries = useQueryClient();
  useEffect(() => {
    document.title = "Sign in – Cuttle";
  }, []);
  async function goOn(): Promise<void> {
    queries.removeQueries({ queryKey: meQuery.queryKey });
    if (returnTo === undefined) await router.navigate({ to: "/app", replace: true });
    else router.history.replace(returnTo);
  }
  return (
    <main className={css["page"]}>
      <div className={css["card"]}>
        <div className={css["brand"]}>
          <img src={markUrl} alt="" width={32} height={32} />
          <h1>Sign in to Cuttle</h1>
        </div>
        {link === "over" && (
          <Notice isSpoken>
            This sign-in link was used already, or its time is over. Sign in with your user name and password, or have a new link made.
          </Notice>
        )}
        <SignInForm onDone={() => void goOn()} />
      </div>
    </main>
  );
}
