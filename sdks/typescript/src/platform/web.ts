// Browsers, and what is like them.

import { type Compressed, FRAME_BYTES_MAX, type Platform, type WebSocketLike } from './platform.js';

const streamOf = (format: Compressed): DecompressionStream =>
  new DecompressionStream(format as CompressionFormat);

async function decompress(format: Compressed, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const reader = new Blob([bytes]).stream().pipeThrough(streamOf(format)).getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    parts.push(value);
    length += value.length;
    if (FRAME_BYTES_MAX < length) {
      await reader.cancel();
      throw new RangeError(`a message has more than ${FRAME_BYTES_MAX} bytes`);
    }
  }
  if (parts.length === 1) {
    return parts[0]!;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const platform: Platform = {
  canSendHeaders: false,

  openWebSocket(url, protocols): WebSocketLike {
    if (typeof WebSocket === 'undefined') {
      throw new TypeError('there is no WebSocket here; give one with `withWSFn`');
    }
    return new WebSocket(url, protocols) as unknown as WebSocketLike;
  },

  canDecompress(format): boolean {
    try {
      return streamOf(format) !== undefined;
    } catch {
      return false;
    }
  },

  decompress,
};
