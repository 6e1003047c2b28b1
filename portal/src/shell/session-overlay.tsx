// Above the page when a session has run out: what was being done waits and goes on after the sign-in.

import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { meQuery } from "../api/session.ts";
import { endRenewal, offerRenewal, renewal } from "../api/session-renewal.ts";
import { useStore } from "../api/store.ts";
import { Dialog } from "../design/dialog.tsx";
import { SignInForm } from "./sign-in-form.tsx";

export function SessionOverlay({ username }: { username: string }) {
  const queries = useQueryClient();
  const { isWanted } = useStore(renewal);
  useEffect(offerRenewal, []);
  return (
    <Dialog title="Your session has ended" isOpen={isWanted}>
      <p>Sign in again to go on where you were. Nothing you entered is lost.</p>
      <SignInForm
        username={username}
        onDone={() => {
          endRenewal(true);
          void queries.invalidateQueries({ queryKey: meQuery.queryKey });
        }}
      />
    </Dialog>
  );
}
