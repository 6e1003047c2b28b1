// Across the page when something is between it and the server: the connection is lost, or the server has a newer portal.

import { useEffect, useState } from "react";
import { connection } from "../api/connection.ts";
import { isOutdated } from "../api/portal-build.ts";
import { useStore } from "../api/store.ts";
import { Button } from "../design/button.tsx";
import { Notice } from "../design/notice.tsx";
import { clockTime } from "../design/time-text.tsx";
import css from "./shell.module.css";

/** A node that restarts, or a balancer that moves us to another one, is no news. */
const patienceMs = 3_000;

export function ConnectionBanner() {
  const { state, heardAt } = useStore(connection);
  const outdated = useStore(isOutdated);
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    if (state !== "lost") return;
    const timer = setTimeout(() => setLong(true), patienceMs);
    return () => {
      clearTimeout(timer);
      setLong(false);
    };
  }, [state]);
  return (
    <>
      {isLong && (
        <Notice kind="warning" isSpoken>
          The connection to the server is lost. What you see is from {clockTime(heardAt)}; trying to connect again.
        </Notice>
      )}
      {outdated && (
        <Notice isSpoken actions={<Button onPress={() => location.reload()}>Reload</Button>}>
          The portal was updated. Reload the page to use the new version.
        </Notice>
      )}
    </>
  );
}

const lights = {
  connecting: { shape: "◐", word: "Connecting" },
  live: { shape: "●", word: "Live" },
  lost: { shape: "○", word: "Reconnecting" },
  polling: { shape: "◑", word: "Refreshed now and then" },
} as const;

/** In the header: whether what is shown changes by itself. */
export function LiveLight() {
  const { state, problem } = useStore(connection);
  const { shape, word } = lights[state];
  return (
    <span
      data-testid="live-light"
      data-state={state}
      className="muted small"
      title={problem ?? "Pages change by themselves when something changes on the server."}
    >
      <span aria-hidden className={state === "live" ? css["live"] : undefined}>
        {shape}
      </span>{" "}
      {word}
    </span>
  );
}
