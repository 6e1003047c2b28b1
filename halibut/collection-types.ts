/** The type names of collections, which .NET peers write where a list or dictionary is a direct argument or result. */
import type { Shape } from "./shapes.ts";

/** Runtime libraries that .NET and .NET Framework name in the types of collections; we write the first. */
export const CORE_LIBRARY = "System.Private.CoreLib";
const CORE_LIBRARIES = [CORE_LIBRARY, "mscorlib"];

const scalarTypeNames: { readonly [kind: string]: string } = {
  string: "System.String",
  int32: "System.Int32",
  int64: "System.Int64",
  boolean: "System.Boolean",
  double: "System.Double",
  guid: "System.Guid",
};

/** How .NET names an element type within a collection, one spelling per runtime library. */
export function elementTypes(of: Shape, path: string): string[] {
  if (of.kind === "object") return [of.type];
  const name = scalarTypeNames[of.kind];
  if (name === undefined) throw new TypeError(`${path}: a collection of ${of.kind} cannot be an argument or result of its own.`);
  return CORE_LIBRARIES.map((library) => `${name}, ${library}`);
}

/** All names under which .NET peers send a list or array of these elements. */
export function listTypes(of: Shape, path: string): string[] {
  return elementTypes(of, path).flatMap((element) =>
    CORE_LIBRARIES.flatMap((library) => [
      `System.Collections.Generic.List\`1[[${element}]], ${library}`,
      `${element.split(",")[0]}[], ${library}`,
      ...(of.kind === "object" ? [`${element.split(",")[0]}[],${element.split(",")[1]}`] : []),
    ]),
  );
}

/** All names under which .NET peers send a dictionary from text to these elements. */
export function dictionaryTypes(of: Shape, path: string): string[] {
  return elementTypes(of, path).flatMap((element) =>
    CORE_LIBRARIES.map((library) => `System.Collections.Generic.Dictionary\`2[[System.String, ${library}],[${element}]], ${library}`),
  );
}
