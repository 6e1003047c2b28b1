// The root documents: where clients find every other address.

import { flag, id, links, list, object, text } from "./shapes.ts";

export const Root = object({
  Application: text(),
  Version: text(),
  ApiVersion: text(),
  InstallationId: text(),
  IsEarlyAccessProgram: flag(),
  HasLongTermSupport: flag(),
  Links: links(),
});
export const SpaceRoot = object({ Id: id(), Links: links() });
export const Capabilities = object({ Capabilities: list(text()) });
export const FeatureToggles = object({ FeatureToggles: list(object({ Name: text(), IsEnabled: flag() })) });
