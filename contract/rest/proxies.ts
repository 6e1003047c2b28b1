// Proxies on the way from the server to listening agents, as clients see them. A password goes in and never comes out.

import { count, id, links, name, object, oneOf, SensitiveValue, text, written } from "./shapes.ts";

const members = { Name: name(), SpaceId: id(), Host: text(), Port: count(), Username: text(), ProxyType: oneOf(["HTTP"]) };

export const Proxy = object({ Id: id(), ...members, Password: SensitiveValue, Links: links() });
export const ProxyBody = written({ ...members, ProxyType: text(), Password: written(SensitiveValue.properties) });
