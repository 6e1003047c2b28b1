// The frame around every page of a space: header with space and user, side bar, banners, and the page. It follows the space's changes.

import { useQuery, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { Link, Outlet, getRouteApi, useLocation, useRouter } from "@tanstack/react-router";
import { ChevronDown, CircleUser, Search } from "lucide-react";
import { Suspense, lazy, useCallback, useEffect, useMemo, useState } from "react";
import { followChanges } from "../api/live-changes.ts";
import { watchBuild } from "../api/portal-build.ts";
import { meQuery, signOut } from "../api/session.ts";
import { endRenewal, offerRenewal, renewal } from "../api/session-renewal.ts";
import { server } from "../api/server.ts";
import { spacesQuery } from "../api/spaces.ts";
import { useStore } from "../api/store.ts";
import { Button } from "../design/button.tsx";
import { MenuButton, loadMenu } from "../design/menu.tsx";
import { Notice } from "../design/notice.tsx";
import markUrl from "../design/cuttle.svg";
import { ConnectionBanner, LiveLight } from "./connection-banner.tsx";
import { guidedSpace } from "./guide.ts";
import { lazyPart } from "./lazy-page.ts";
import { navigation } from "./navigation.ts";
import { QuestionCount } from "./question-count.tsx";
import css from "./shell.module.css";
import { useShortcuts } from "./shortcuts.ts";
import { chooseTheme, theme } from "./theme.ts";
import type { Theme } from "./theme.ts";

/** Needed by few, and then later: but fetched soon, because by then the server may have another portal. */
const overlay = () => import("./session-overlay.tsx");
const overlayMs = 2_000;
const SessionOverlay = lazy(() =>
  overlay().then(
    (part) => ({ default: part.SessionOverlay }),
    () => ({ default: SessionEnded }),
  ),
);

const FirstStepsBar = lazy(async () => ({ default: (await import("./first-steps-bar.tsx")).FirstStepsBar }));
const Palette = lazyPart(async () => (await import("./palette.tsx")).Palette);
const ShortcutList = lazy(async () => ({ default: (await import("./shortcut-list.tsx")).ShortcutList }));

const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

const route = getRouteApi("/signed-in/app/$space");

const themes: readonly { id: Theme; name: string }[] = [
  { id: "system", name: "As the system" },
  { id: "light", name: "Light" },
  { id: "dark", name: "Dark" },
];

export function Shell() {
  const { space } = route.useParams();
  const queries = useQueryClient();
  const router = useRouter();
  const pathname = useLocation({ select: (location) => location.pathname });
  const { data: me } = useSuspenseQuery(meQuery);
  useEffect(() => followChanges(queries, space), [queries, space]);
  useEffect(watchBuild, []);
  useEffect(offerRenewal, []);
  useEffect(() => {
    const timer = setTimeout(() => {
      for (const load of [overlay, Palette.preload, loadMenu]) void load().catch(() => {});
    }, overlayMs);
    return () => clearTimeout(timer);
  }, []);
  const { isWanted: isRenewalWanted } = useStore(renewal);
  const guided = useStore(guidedSpace);
  const [opened, setOpened] = useState<"palette" | "keys">();
  useShortcuts(
    useMemo(
      () => ({
        ...Object.fromEntries(navigation.map(({ key, to }) => [`g ${key}`, () => void router.navigate({ to, params: { space } })])),
        "?": () => setOpened("keys"),
      }),
      [router, space],
    ),
  );
  useEffect(() => {
    function onKey(event: KeyboardEvent): void {
      if (event.key !== "k" || event.altKey || event.shiftKey || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      // A question that is open is answered first.
      if (document.querySelector("[role=dialog], [role=alertdialog]") === null) setOpened("palette");
    }
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const leave = useCallback(() => setOpened(undefined), []);
  return (
    <>
      <a href="#page" className={css["skip"]}>
        Skip to content
      </a>
      <div className={css["frame"]}>
        <header className={css["bar"]}>
          <Link to="/app/$space" params={{ space }} className={css["brand"]}>
            <img src={markUrl} alt="" width={24} height={24} />
            Cuttle
          </Link>
          <SpaceSwitcher space={space} />
          <span className={css["spacer"]} />
          <Button weight="quiet" aria-keyshortcuts="Control+K Meta+K" onPress={() => setOpened("palette")}>
            <Search size={16} aria-hidden />
            <span className="visually-hidden">Go to …</span>
            <kbd>{isMac ? "⌘" : "Ctrl"} K</kbd>
          </Button>
          <LiveLight />
          <UserMenu space={space} name={me.DisplayName || me.Username} onKeys={() => setOpened("keys")} />
        </header>
        <nav className={css["side"]} aria-label="Main">
          {navigation.map(({ to, name, icon: Icon, isExact, also, counted }) => (
            <Link
              key={to}
              to={to}
              params={{ space }}
              className={css["entry"]}
              data-within={(also !== undefined && pathname.includes(`/${space}${also}`)) || undefined}
              activeOptions={{ exact: isExact === true, includeSearch: false }}
              preload="intent"
            >
              <Icon size={16} aria-hidden />
              {name}
              {counted === "questions" && <QuestionCount space={space} />}
            </Link>
          ))}
        </nav>
        <main id="page" tabIndex={-1} className={css["page"]}>
          <div className={css["banners"]}>
            <ConnectionBanner />
            {guided === space && (
              <Suspense>
                <FirstStepsBar space={space} />
              </Suspense>
            )}
          </div>
          <Outlet />
        </main>
      </div>
      {opened !== undefined && (
        <Suspense>{opened === "palette" ? <Palette space={space} onLeave={leave} /> : <ShortcutList onLeave={leave} />}</Suspense>
      )}
      {isRenewalWanted && (
        <Suspense>
          <SessionOverlay username={me.Username} />
        </Suspense>
      )}
    </>
  );
}

/** Where the form itself cannot be had: the page below it stays as it is. */
function SessionEnded() {
  return (
    <div className={css["ended"]}>
      <Notice kind="warning" isSpoken actions={<Button onPress={() => endRenewal(true)}>Go on</Button>}>
        Your session has ended.{" "}
        <a href={`${server.base}/app/signin`} target="_blank" rel="noreferrer">
          Sign in in another window
        </a>
        , then go on here.
      </Notice>
    </div>
  );
}

function SpaceSwitcher({ space }: { space: string }) {
  const { data: spaces = [] } = useQuery(spacesQuery);
  const current = spaces.find((one) => one.Id === space || one.Slug === space);
  if (spaces.length < 2) return <span className="muted">{current?.Name ?? ""}</span>;
  return (
    <MenuButton
      label="Spaces"
      weight="quiet"
      name={`Space: ${current?.Name ?? space}`}
      groups={[
        {
          id: "spaces",
          heading: "Spaces",
          entries: spaces.map((one) => ({
            id: one.Id,
            name: one.Name,
            href: { to: "/app/$space", params: { space: one.Id } },
            isChosen: one === current,
          })),
        },
      ]}
    >
      {current?.Name ?? space}
      <ChevronDown size={16} aria-hidden />
    </MenuButton>
  );
}

function UserMenu({ space, name, onKeys }: { space: string; name: string; onKeys(): void }) {
  const chosen = useStore(theme);
  async function leave(): Promise<void> {
    try {
      await signOut();
    } finally {
      // Nothing of one user stays in memory for the next.
      location.assign(`${location.pathname.split("/app")[0]}/app/signin`);
    }
  }
  return (
    <MenuButton
      label="You and this portal"
      weight="quiet"
      name={`Signed in as ${name}`}
      groups={[
        { id: "you", entries: [{ id: "profile", name: "Profile and API keys", href: { to: "/app/$space/me", params: { space } } }] },
        {
          id: "theme",
          heading: "Theme",
          entries: themes.map(({ id, name: label }) => ({
            id,
            name: label,
            isChosen: id === chosen,
            onChoose: () => chooseTheme(id),
          })),
        },
        {
          id: "help",
          entries: [
            { id: "start", name: "First steps", href: { to: "/app/$space/start", params: { space } } },
            { id: "keys", name: "Keys", onChoose: onKeys },
          ],
        },
        { id: "session", entries: [{ id: "sign-out", name: "Sign out", onChoose: () => void leave() }] },
      ]}
    >
      <CircleUser size={18} aria-hidden />
      {name}
      <ChevronDown size={16} aria-hidden />
    </MenuButton>
  );
}
