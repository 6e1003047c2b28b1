// A place for streams between nodes that takes none: for trials whose calls carry none.
import type { StreamFolder } from "../../server/engine/agents/agents.ts";

const refuse = (): Promise<never> => Promise.reject(new Error("No stream is passed here."));

export const noStreams: StreamFolder = { writeOnce: refuse, readPart: refuse, remove: refuse };
