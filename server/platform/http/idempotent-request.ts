// A request that may come again under the same key.

export interface IdempotentRequest {
  userId: string;
  key: string;
  /** Method, address and body, so that a key cannot be used for something else. */
  fingerprint: Buffer;
}
