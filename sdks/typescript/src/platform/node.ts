// Node. Before version 22 it has no WebSocket of its own, and none sends headers; `NodeWebSocket`
// does both. Bun and Deno, which take Node's packages, have one of theirs.

import { brotliDecompressSync, gunzipSync } from 'node:zlib';

import { NodeWebSocket } from './node_websocket.js';
import { FRAME_BYTES_MAX, type Platform } from './platform.js';
import { platform as web } from './web.js';

const isNode = !('Bun' in globalThis) && !('Deno' in globalThis);

const node: Platform = {
  canSendHeaders: true,
  openWebSocket: (url, protocols, headers) => new NodeWebSocket(url, protocols, headers),
  canDecompress: () => true,

  decompress(format, bytes): Uint8Array {
    const options = { maxOutputLength: FRAME_BYTES_MAX };
    return format === 'gzip' ? gunzipSync(bytes, options) : brotliDecompressSync(bytes, options);
  },
};

export const platform: Platform = isNode ? node : web;
