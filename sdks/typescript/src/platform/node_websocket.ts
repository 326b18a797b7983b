// A WebSocket client (RFC 6455) over Node's HTTP client, which does the handshake and TLS. It has
// what the connection uses: binary messages, whole; a status and a reason when it is refused.
//
// - Frames of the server must not be masked, and its control frames are short and whole.
// - A server that has been silent for a while is asked for a sign of life, and given up without.

import { createHash, randomBytes } from 'node:crypto';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';

import { FRAME_BYTES_MAX, type WebSocketLike } from './platform.js';

const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const CONNECT_MS_MAX = 10_000;
const CLOSE_MS_MAX = 2_000;
const SILENCE_MS_MAX = 30_000;
const REFUSAL_BYTES_MAX = 4096;

const OP_CONTINUATION = 0;
const OP_TEXT = 1;
const OP_BINARY = 2;
const OP_CLOSE = 8;
const OP_PING = 9;
const OP_PONG = 10;

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** No status was in the close frame; the connection ended without a close frame. */
const CODE_NONE = 1005;
const CODE_ABNORMAL = 1006;
const CODE_PROTOCOL = 1002;
const CODE_TOO_BIG = 1009;

type CloseInfo = { code: number; reason: string; wasClean: boolean };

/** Ends the connection with a code. */
class FrameError extends Error {
  constructor(
    message: string,
    readonly code: number
  ) {
    super(message);
  }
}

export class NodeWebSocket implements WebSocketLike {
  binaryType = 'arraybuffer';
  readyState = CONNECTING;
  protocol = '';
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: ArrayBuffer | string }) => void) | null = null;
  onclose: ((event: CloseInfo) => void) | null = null;
  onerror: ((event: { message: string; error: Error; code?: number }) => void) | null = null;

  private readonly request;
  private socket: Duplex | undefined;
  /** What has arrived and is not a whole frame yet. */
  private chunks: Buffer[] = [];
  private buffered = 0;
  /** How many bytes the next step needs; nothing is looked at before they are there. */
  private needed = 2;
  /** The parts of a message that is sent in several frames. */
  private parts: Buffer[] = [];
  private partsBytes = 0;
  private messageIsText = false;
  private closeInfo: CloseInfo | undefined;
  private closeTimer: NodeJS.Timeout | undefined;
  private silenceTimer: NodeJS.Timeout | undefined;
  private wasAsked = false;

  constructor(url: URL, protocols: string[], headers: Record<string, string>) {
    const key = randomBytes(16).toString('base64');
    const secure = url.protocol === 'wss:' || url.protocol === 'https:';
    const target = new URL(url);
    target.protocol = secure ? 'https:' : 'http:';
    this.request = (secure ? httpsRequest : httpRequest)(target, {
      headers: {
        ...headers,
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': key,
        'Sec-WebSocket-Protocol': protocols.join(', '),
      },
      timeout: CONNECT_MS_MAX,
    });
    this.request.on('upgrade', (response, socket, head) => {
      this.opened(response, socket, head, key, protocols);
    });
    this.request.on('response', response => this.refused(response));
    this.request.on('timeout', () => {
      if (this.socket === undefined) {
        this.request.destroy(new Error(`no answer from ${url.host} in ${CONNECT_MS_MAX} ms`));
      }
    });
    this.request.on('error', error => this.failed(error));
    this.request.end();
  }

  /** How many bytes the network has not taken yet. */
  get bufferedAmount(): number {
    return this.socket?.writableLength ?? 0;
  }

  private failed(error: Error, code?: number): void {
    if (this.readyState === CLOSED) {
      return;
    }
    this.onerror?.({ message: error.message, error, ...(code === undefined ? {} : { code }) });
    this.ended({ code: CODE_ABNORMAL, reason: '', wasClean: false });
  }

  private ended(info: CloseInfo): void {
    if (this.readyState === CLOSED) {
      return;
    }
    this.readyState = CLOSED;
    clearTimeout(this.closeTimer);
    clearTimeout(this.silenceTimer);
    this.socket?.destroy();
    this.chunks = [];
    this.parts = [];
    this.onclose?.(info);
  }

  /** The server answered with something else than the upgrade. */
  private refused(response: IncomingMessage): void {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (part: string) => {
      text = (text + part).slice(0, REFUSAL_BYTES_MAX);
    });
    response.on('end', () => {
      const status = response.statusCode ?? 0;
      const what = text.trim() || response.statusMessage || 'no reason given';
      this.failed(new Error(`the server refused the connection (${status}): ${what}`), status);
    });
    response.on('error', error => this.failed(error));
  }

  private opened(
    response: IncomingMessage,
    socket: Duplex & { setNoDelay?: (on: boolean) => void },
    head: Buffer,
    key: string,
    protocols: string[]
  ): void {
    const accept = createHash('sha1')
      .update(key + ACCEPT_GUID)
      .digest('base64');
    const protocol = response.headers['sec-websocket-protocol'] ?? '';
    if (response.headers['sec-websocket-accept'] !== accept) {
      socket.destroy();
      this.failed(new Error('the server did not make the handshake of a WebSocket'));
      return;
    }
    if (protocol !== '' && !protocols.includes(protocol)) {
      socket.destroy();
      this.failed(new Error(`the server chose the protocol ${protocol}, which was not offered`));
      return;
    }
    if (this.readyState !== CONNECTING) {
      socket.destroy();
      return;
    }
    this.socket = socket;
    this.protocol = protocol;
    this.readyState = OPEN;
    socket.setNoDelay?.(true);
    socket.on('data', (chunk: Buffer) => this.received(chunk));
    socket.on('error', error => this.failed(error));
    socket.on('close', () => {
      this.ended(this.closeInfo ?? { code: CODE_ABNORMAL, reason: '', wasClean: false });
    });
    this.watchSilence();
    this.onopen?.();
    if (0 < head.length) {
      this.received(head);
    }
  }

  private watchSilence(): void {
    clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => {
      if (this.wasAsked) {
        this.failed(new Error(`nothing came from the server for ${2 * SILENCE_MS_MAX} ms`));
        return;
      }
      this.wasAsked = true;
      this.sendFrame(OP_PING, new Uint8Array(0));
      this.watchSilence();
    }, SILENCE_MS_MAX);
    this.silenceTimer.unref();
  }

  private received(chunk: Buffer): void {
    if (this.readyState === CLOSED) {
      return;
    }
    if (this.wasAsked) {
      this.wasAsked = false;
    }
    this.silenceTimer?.refresh();
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    try {
      this.readFrames();
    } catch (error) {
      const code = error instanceof FrameError ? error.code : CODE_PROTOCOL;
      this.closeWith(code);
      this.failed(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private readFrames(): void {
    while (this.needed <= this.buffered) {
      const data = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
      const used = this.readFrame(data);
      // The callbacks of a message may have closed the connection.
      if ((this.readyState as number) === CLOSED) {
        return;
      }
      const rest = data.subarray(used);
      this.chunks = 0 < rest.length ? [rest] : [];
      this.buffered = rest.length;
      if (used === 0) {
        return;
      }
    }
  }

  /** Returns how many bytes the frame has, or 0 after saying in `needed` how many there must be. */
  private readFrame(data: Buffer): number {
    const first = data[0]!;
    const second = data[1]!;
    if ((first & 0x70) !== 0 || (second & 0x80) !== 0) {
      throw new FrameError('a frame has bits that were not agreed on', CODE_PROTOCOL);
    }
    const short = second & 0x7f;
    const headBytes = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (data.length < headBytes) {
      this.needed = headBytes;
      return 0;
    }
    const length =
      short === 127
        ? Number(data.readBigUInt64BE(2))
        : short === 126
          ? data.readUInt16BE(2)
          : short;
    if (FRAME_BYTES_MAX < length + this.partsBytes) {
      throw new FrameError(`a message has more than ${FRAME_BYTES_MAX} bytes`, CODE_TOO_BIG);
    }
    const end = headBytes + length;
    if (data.length < end) {
      this.needed = end;
      return 0;
    }
    this.needed = 2;
    this.frame(first & 0x0f, (first & 0x80) !== 0, data.subarray(headBytes, end));
    return end;
  }

  private frame(op: number, isLast: boolean, payload: Buffer): void {
    if (op & 8) {
      if (!isLast || 125 < payload.length) {
        throw new FrameError('a control frame is long or in parts', CODE_PROTOCOL);
      }
      this.control(op, payload);
      return;
    }
    const isFirst = this.parts.length === 0;
    if (op === OP_CONTINUATION ? isFirst : !isFirst || OP_BINARY < op) {
      throw new FrameError(`a frame of kind ${op} is not expected here`, CODE_PROTOCOL);
    }
    if (isFirst) {
      this.messageIsText = op === OP_TEXT;
    }
    this.parts.push(payload);
    this.partsBytes += payload.length;
    if (isLast) {
      const whole = this.parts.length === 1 ? payload : Buffer.concat(this.parts);
      this.parts = [];
      this.partsBytes = 0;
      const data = this.messageIsText
        ? whole.toString('utf8')
        : (Uint8Array.from(whole).buffer as ArrayBuffer);
      this.onmessage?.({ data });
    }
  }

  private control(op: number, payload: Buffer): void {
    if (op === OP_PING) {
      this.sendFrame(OP_PONG, payload);
    } else if (op === OP_CLOSE) {
      const code = 2 <= payload.length ? payload.readUInt16BE(0) : CODE_NONE;
      this.closeInfo ??= { code, reason: payload.subarray(2).toString('utf8'), wasClean: true };
      if (this.readyState === OPEN) {
        this.closeWith(code === CODE_NONE ? 1000 : code);
      }
      // The answer is written first; for the other side to close, nobody waits.
      const info = this.closeInfo;
      this.socket?.end(() => this.ended(info));
    } else if (op !== OP_PONG) {
      throw new FrameError(`a frame of kind ${op} is not known`, CODE_PROTOCOL);
    }
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.readyState === CONNECTING) {
      throw new Error('the connection is not open yet');
    }
    if (this.readyState === OPEN) {
      this.sendFrame(OP_BINARY, data);
    }
  }

  private sendFrame(op: number, payload: Uint8Array): void {
    const { length } = payload;
    const headBytes = length < 126 ? 2 : length < 0x1_0000 ? 4 : 10;
    const frame = Buffer.allocUnsafe(headBytes + 4 + length);
    frame[0] = 0x80 | op;
    if (headBytes === 2) {
      frame[1] = 0x80 | length;
    } else if (headBytes === 4) {
      frame[1] = 0x80 | 126;
      frame.writeUInt16BE(length, 2);
    } else {
      frame[1] = 0x80 | 127;
      frame.writeBigUInt64BE(BigInt(length), 2);
    }
    const mask = randomBytes(4);
    frame.set(mask, headBytes);
    const start = headBytes + 4;
    for (let at = 0; at < length; at += 1) {
      frame[start + at] = payload[at]! ^ mask[at & 3]!;
    }
    this.socket?.write(frame);
  }

  private closeWith(code: number): void {
    if (this.readyState !== OPEN) {
      return;
    }
    const payload = Buffer.allocUnsafe(2);
    payload.writeUInt16BE(code, 0);
    this.sendFrame(OP_CLOSE, payload);
    this.readyState = CLOSING;
  }

  close(): void {
    if (this.readyState === CONNECTING) {
      this.request.destroy();
      this.ended({ code: CODE_ABNORMAL, reason: '', wasClean: false });
      return;
    }
    this.closeWith(1000);
    if (this.readyState === CLOSING && this.closeTimer === undefined) {
      this.closeTimer = setTimeout(() => {
        this.ended(this.closeInfo ?? { code: CODE_ABNORMAL, reason: '', wasClean: false });
      }, CLOSE_MS_MAX);
    }
  }
}
