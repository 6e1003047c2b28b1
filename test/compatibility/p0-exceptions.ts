// What of the first-ranked endpoints is not as the reference has it, each with a reason that names what brings it. Nothing else may differ.

/** Endpoints that are not there yet: "METHOD /path" → what brings them. */
export const absentEndpoints: Readonly<Record<string, string>> = {};

/** Members that a document lacks: document → member → why. */
export const absentMembers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  UserResource: { Password: "is written and never read" },
  PackageSignatureResource: { Id: "is computed and stored nowhere, so it has none" },
};

/** Addresses that links lead to and that do not answer yet. */
export const absentLinks: readonly { link: RegExp; reason: string }[] = [
  { link: /\/spaces\/[^/]+\/(logo|search)/, reason: "the portal: pictures and search" },
  { link: /\/interruptions\/[^/]+\/responsible$/, reason: "nobody may have taken it on yet" },
  { link: /\/(log\/events|events\/stream)$/, reason: "streams never end by themselves; their own tests read them" },
  { link: /\/users\/[^/]+\/permissions\/configuration/, reason: "roles and teams" },
  { link: /\/users\/[^/]+\/revoke-sessions$/, reason: "is only written" },
];

/** Where we answer another status than the interface description declares. */
export const otherStatuses: Readonly<Record<string, { status: number; reason: string }>> = {
  "PUT /spaces/{id}": { status: 200, reason: "every other update answers 200, and clients of every age accept it" },
};
