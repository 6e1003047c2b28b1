// What answers beside the API: pages for people, at every address that no route has and that is not the API's.

import type { FastifyRequest } from "fastify";

/** Filled by the web portal's files. */
export interface Pages {
  /** Undefined when the address is none of its own. */
  answer(request: {
    url: string;
    linkPrefix: string;
    acceptEncoding: string;
    wantsPage: boolean;
    ifNoneMatch: string | undefined;
  }): Promise<{ status: number; headers: Record<string, string>; body: Buffer | string } | undefined>;
}

/** The page for a request that no route answers; undefined for the API's own addresses and for anything but reading. */
export async function findPage(pages: Pages, request: FastifyRequest, linkPrefix: string): ReturnType<Pages["answer"]> {
  if (request.method !== "GET" && request.method !== "HEAD") return undefined;
  if (/^\/(?:api|\.well-known)(?:[/?]|$)/i.test(request.url)) return undefined;
  return await pages.answer({
    url: request.url,
    linkPrefix,
    acceptEncoding: String(request.headers["accept-encoding"] ?? ""),
    wantsPage: /text\/html/i.test(String(request.headers.accept ?? "")),
    ifNoneMatch: request.headers["if-none-match"],
  });
}
