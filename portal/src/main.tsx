// The portal's start in the browser: theme, queries, routes. Nothing is drawn by the server.

import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { I18nProvider, RouterProvider as AriaRouterProvider } from "react-aria-components";
import { createRoot } from "react-dom/client";
import { createQueryClient } from "./api/queries.ts";
import "./design/base.css";
import { createPortalRouter } from "./routes.tsx";
import { restoreTheme } from "./shell/theme.ts";

function startPortal(): void {
  restoreTheme();
  const queries = createQueryClient();
  const router = createPortalRouter(queries);
  const place = document.getElementById("root");
  if (place === null) throw new Error("The document has no place for the portal.");
  createRoot(place).render(
    <StrictMode>
      <I18nProvider locale="en-US">
        <AriaRouterProvider
          navigate={(href, options) => void router.navigate({ ...href, ...options })}
          useHref={(href) => router.buildLocation(href).href}
        >
          <QueryClientProvider client={queries}>
            <RouterProvider router={router} />
          </QueryClientProvider>
        </AriaRouterProvider>
      </I18nProvider>
    </StrictMode>,
  );
}

startPortal();
