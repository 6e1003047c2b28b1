// The bytes of a file on their way: in pieces of any size, and where their source can do that, into memory of whoever takes them.

export interface Content extends AsyncIterable<Uint8Array> {
  /**
   * Puts the next bytes at the beginning of `memory` and answers how many they are, none at the end. For whoever gathers them anyway: a
   * source that has this spares itself the pieces. Either this is used or the pieces are, and one call comes after the other. Streams have a
   * `read` that does something else, so this is not named so.
   */
  readInto?(memory: Uint8Array): Promise<number>;
}

/** The same content. `look` is told of each number of bytes before they are handed on, and stops them by throwing. */
export function watchedContent(content: Content, look: (bytes: number) => Promise<void>): Content {
  async function readInto(memory: Uint8Array): Promise<number> {
    const bytes = await content.readInto!(memory);
    await look(bytes);
    return bytes;
  }
  return {
    ...(content.readInto === undefined ? {} : { readInto }),
    async *[Symbol.asyncIterator]() {
      for await (const piece of content) {
        await look(piece.length);
        yield piece;
      }
    },
  };
}
