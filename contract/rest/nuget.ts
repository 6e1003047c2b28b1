// What NuGet clients read: the documents of its version 3, as far as restore, list and search need them.

import { Type } from "typebox";
import { flag, list, object, text, time, whole } from "./shapes.ts";

export const NugetServices = object({ version: text(), resources: list(object({ "@id": text(), "@type": text() })) });
export const NugetVersions = object({ versions: list(text()) });

const DependencyGroup = object({
  targetFramework: Type.Optional(text()),
  dependencies: list(object({ id: text(), range: text() })),
});
const CatalogEntry = object({
  "@id": text(),
  id: text(),
  version: text(),
  title: text(),
  authors: text(),
  summary: text(),
  description: text(),
  tags: list(text()),
  listed: flag(),
  published: time(),
  packageContent: text(),
  dependencyGroups: list(DependencyGroup),
});
export const NugetLeaf = object({ "@id": text(), catalogEntry: CatalogEntry, packageContent: text(), registration: text() });
export const NugetRegistration = object({
  "@id": text(),
  count: whole(),
  items: list(object({ "@id": text(), count: whole(), lower: text(), upper: text(), items: list(NugetLeaf) })),
});
export const NugetSearch = object({
  totalHits: whole(),
  data: list(
    object({
      "@id": text(),
      id: text(),
      version: text(),
      title: text(),
      authors: list(text()),
      summary: text(),
      description: text(),
      tags: list(text()),
      registration: text(),
      totalDownloads: whole(),
      packageTypes: list(object({ name: text() })),
      versions: list(object({ "@id": text(), version: text(), downloads: whole() })),
    }),
  ),
});
