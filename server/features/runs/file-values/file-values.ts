// Fills values into files of a package, on the server, with the variables of one target: placeholders, values at named places of JSON, YAML,
// XML and properties, and the settings of .NET configuration files; applies transforms (XDT) to XML files. Pure; whoever has the files gives
// their bytes. What reads YAML and XML is loaded when it is first needed: a node's start does not wait for it.

import { TemplateError } from "@cuttle/templates";
import type { Variables } from "@cuttle/templates";
import { readFileText, writeFileText } from "./file-text.ts";
import { replaceInJson } from "./json-values.ts";
import { replaceInProperties } from "./properties-values.ts";
import { NotOfThisForm } from "./text-edits.ts";
import type { ValueOf } from "./text-edits.ts";

/** What is to be done with a file, in this order. */
export interface FileJobs {
  substitute: boolean;
  dotNetSettings: boolean;
  structured: boolean;
}

export interface FilledFile {
  bytes: Buffer;
  /** What people should know, each a sentence. */
  warnings: string[];
}

/** The file cannot be filled in; the message is a sentence. */
export class FileNotFilled extends Error {
  constructor(message: string) {
    super(message);
    this.name = "FileNotFilled";
  }
}

/** As long as a template may be; more is no text that people write. */
export const filledBytesMax = 8 * 1024 * 1024;

/** Throws FileNotFilled. */
export async function fillFile(
  name: string,
  bytes: Buffer,
  jobs: FileJobs,
  variables: Variables,
  outputEncoding?: string,
): Promise<FilledFile> {
  if (bytes.length > filledBytesMax)
    throw new FileNotFilled(`${name} is larger than ${filledBytesMax} bytes, too large to fill values into.`);
  const file = readFileText(bytes);
  const warnings: string[] = [];
  let { text } = file;
  try {
    if (jobs.substitute) {
      const result = variables.evaluate(text, { broken: "text" });
      text = result.text ?? "";
      if (result.unresolved.length > 0)
        warnings.push(`${name} names ${result.unresolved.slice(0, 5).join(", ")}, which has no value; it stays as it is.`);
    }
    if (jobs.dotNetSettings) {
      const { replaceInDotNetConfiguration } = await import("./xml-values.ts");
      text = replaceInDotNetConfiguration(text, valueIn(variables, isForSettings));
    }
    if (jobs.structured) text = await replaceStructured(name, text, variables);
  } catch (error) {
    if (error instanceof NotOfThisForm) throw new FileNotFilled(`${name} cannot be filled in: ${error.message}.`);
    if (error instanceof TemplateError) throw new FileNotFilled(`${name} cannot be filled in: ${error.message}`);
    throw error;
  }
  const isSame = text === file.text && outputEncoding === undefined;
  return { bytes: isSame ? bytes : writeFileText({ ...file, text }, jobs.substitute ? outputEncoding : undefined), warnings };
}

export interface TransformedFile {
  bytes: Buffer;
  /** What went wrong at single elements; all else is done. Sentences without their full stop, as are the others. */
  errors: string[];
  warnings: string[];
  notes: string[];
}

interface NamedFile {
  name: string;
  bytes: Buffer;
}

/** Applies one file of changes to another one. Throws FileNotFilled. */
export async function transformFile(target: NamedFile, transform: NamedFile): Promise<TransformedFile> {
  const { transformXml } = await import("./xml-transforms.ts");
  const file = readFileText(target.bytes);
  try {
    const { text, ...said } = transformXml(file.text, { name: transform.name, text: readFileText(transform.bytes).text });
    return { ...said, bytes: text === file.text ? target.bytes : writeFileText({ ...file, text }) };
  } catch (error) {
    if (!(error instanceof NotOfThisForm)) throw error;
    throw new FileNotFilled(`${target.name} cannot be transformed by ${transform.name}: ${error.message}.`);
  }
}

/** JSON where it is JSON, else by the file's extension, else whatever it can be read as. */
async function replaceStructured(name: string, text: string, variables: Variables): Promise<string> {
  const forPaths = valueIn(variables, isForPaths);
  const forKeys = valueIn(variables, () => true);
  const json = async (): Promise<string> => replaceInJson(text, forPaths);
  const yaml = async (): Promise<string> => (await import("./yaml-values.ts")).replaceInYaml(text, forPaths);
  const xml = async (): Promise<string> => (await import("./xml-values.ts")).replaceInXml(text, variables.names(), forKeys);
  const properties = async (): Promise<string> => replaceInProperties(text, forKeys);
  const extension = /\.[^./]*$/.exec(name)?.[0].toLowerCase() ?? "";
  const further = { ".yaml": [yaml], ".yml": [yaml], ".xml": [xml], ".config": [xml], ".properties": [properties], ".json": [] as [] }[
    extension
  ] ?? [...(text.trimStart().startsWith("<") ? [xml] : []), yaml, properties];
  let last: NotOfThisForm | undefined;
  for (const attempt of [json, ...further]) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof NotOfThisForm)) throw error;
      last = error;
    }
  }
  throw last ?? new NotOfThisForm("it has no known form");
}

/** The server's own names are none of an application's. */
const isForPaths = (name: string): boolean => !/^octopus(?!:)/i.test(name);
const isForSettings = (name: string): boolean => name !== "" && !/^octopus/i.test(name);

function valueIn(variables: Variables, isMeant: (name: string) => boolean): ValueOf {
  return (name) =>
    name === "" || !isMeant(name) || variables.getUnevaluated(name) === undefined ? undefined : (variables.get(name)?.text ?? "");
}
