// Spaces as clients see them.

import { flag, id, links, list, name, object, orNull, text, written } from "./shapes.ts";

const members = {
  Name: name(),
  Slug: text(),
  Description: text(),
  IsDefault: flag(),
  TaskQueueStopped: flag(),
  SpaceManagersTeams: list(id()),
  SpaceManagersTeamMembers: list(id()),
};

export const Space = object({
  Id: id(),
  ...members,
  Icon: orNull(object({ Id: text(), Color: text() })),
  IsPrivate: flag(),
  Links: links(),
});
export const SpaceBody = written(members);
