// What a client needs and JavaScript does not have everywhere. `#platform` is one of `web.ts` and
// `node.ts`, chosen by who bundles or runs the package (`imports` in package.json).

/** What the client uses of a WebSocket. */
export type WebSocketLike = {
  binaryType: string;
  readonly readyState: number;
  readonly protocol: string;
  readonly bufferedAmount?: number;
  onopen: (() => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
};

/** How a frame is compressed, by its first byte. */
export type Compressed = 'gzip' | 'brotli';

export type Platform = {
  /** Whether a WebSocket can be opened with an Authorization header; browsers cannot. */
  canSendHeaders: boolean;
  openWebSocket(url: URL, protocols: string[], headers: Record<string, string>): WebSocketLike;
  canDecompress(format: Compressed): boolean;
  decompress(format: Compressed, bytes: Uint8Array<ArrayBuffer>): Uint8Array | Promise<Uint8Array>;
};

/** A frame with more bytes than this is not accepted. */
export const FRAME_BYTES_MAX = 512 * 1024 * 1024;
