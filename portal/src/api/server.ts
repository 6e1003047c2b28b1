// What the server wrote into the document for us: where the portal is, which build it is, and whose cookies are ours.

function told(name: string): string {
  const content = document.querySelector<HTMLMetaElement>(`meta[name="cuttle-${name}"]`)?.content ?? "";
  return content.startsWith("__CUTTLE_") ? "" : content;
}

export const server = {
  /** What stands before /app and /api, when the server is reached below another address; else empty. */
  base: told("base"),
  /** Which build of the portal this page is. */
  build: told("build"),
  /** Cookies of several installations may come from one host name; ours carry this. */
  installationId: told("installation"),
};
