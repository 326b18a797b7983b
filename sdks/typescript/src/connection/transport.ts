// How a connection reaches the server: the address, the token, the WebSocket, and its frames
// without compression, in the order in which they were sent.

import { platform } from '#platform';

import { ConnectionError, ProtocolError, toError } from '../errors.js';
import type { Compressed, WebSocketLike } from '../platform/platform.js';

export type CompressionName = 'gzip' | 'brotli' | 'none';

/** What a connection needs of a socket. Messages are whole and not compressed. */
export interface WebSocketAdapter {
  readonly protocol: string;
  readonly readyState?: number;
  /** How many bytes were sent and have not left yet. */
  readonly bufferedAmount?: number;
  send(msg: Uint8Array<ArrayBuffer>): void;
  close(): void;
  set onclose(handler: (ev: any) => void);
  set onopen(handler: () => void);
  set onmessage(handler: (msg: { data: Uint8Array }) => void);
  set onerror(handler: (msg: any) => void);
}

export interface WebSocketArgs {
  url: URL;
  wsProtocol: string[];
  nameOrAddress: string;
  authToken?: string;
  compression: CompressionName;
  lightMode: boolean;
  confirmedReads?: boolean;
}

export type WebSocketFactory = (args: WebSocketArgs) => Promise<WebSocketAdapter>;

const COMPRESSION_PARAMETER: { [C in CompressionName]: string } = {
  gzip: 'Gzip',
  brotli: 'Brotli',
  none: 'None',
};

export const canDecompress = (format: Compressed): boolean => platform.canDecompress(format);

/** Where to subscribe to a database. A path in the address of the server is kept. */
export function subscribeUrl(args: WebSocketArgs, token: string | undefined): URL {
  const base = new URL(args.url);
  if (!base.pathname.endsWith('/')) {
    base.pathname += '/';
  }
  const path = `v1/database/${encodeURIComponent(args.nameOrAddress)}/subscribe`;
  const url = new URL(path, base);
  url.protocol = base.protocol === 'https:' || base.protocol === 'wss:' ? 'wss:' : 'ws:';
  url.searchParams.set('compression', COMPRESSION_PARAMETER[args.compression]);
  if (args.lightMode) {
    url.searchParams.set('light', 'true');
  }
  if (args.confirmedReads !== undefined) {
    url.searchParams.set('confirmed', String(args.confirmedReads));
  }
  if (token !== undefined) {
    url.searchParams.set('token', token);
  }
  return url;
}

/** A token for the address, which others may see, instead of the user's: it is short-lived. */
async function exchangeToken(args: WebSocketArgs, token: string): Promise<string> {
  const base = new URL(args.url);
  if (!base.pathname.endsWith('/')) {
    base.pathname += '/';
  }
  const url = new URL('v1/identity/websocket-token', base);
  url.protocol = url.protocol === 'wss:' || url.protocol === 'https:' ? 'https:' : 'http:';
  const headers = { Authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: 'POST', headers });
  if (!response.ok) {
    const text = await response.text();
    throw new ConnectionError(
      `the server refused the token (${response.status}): ${text}`,
      response.status
    );
  }
  const answer = (await response.json()) as { token?: unknown };
  if (typeof answer.token !== 'string') {
    throw new ProtocolError('the server answered a token with something else');
  }
  return answer.token;
}

/** Opens a WebSocket the way this platform does. */
export const openWebSocket: WebSocketFactory = async args => {
  const { authToken } = args;
  const headers: Record<string, string> = {};
  let inAddress: string | undefined;
  if (authToken !== undefined && platform.canSendHeaders) {
    headers['Authorization'] = `Bearer ${authToken}`;
  } else if (authToken !== undefined) {
    inAddress = await exchangeToken(args, authToken);
  }
  const url = subscribeUrl(args, inAddress);
  return new FrameAdapter(platform.openWebSocket(url, args.wsProtocol, headers));
};

/** Most bytes of frames that wait to be unpacked: a server does not wait for a browser. */
const UNREAD_BYTES_MAX = 256 * 1024 * 1024;

const FORMATS: readonly (Compressed | 'none' | undefined)[] = ['none', 'brotli', 'gzip'];

/** Takes the compression off. A frame never overtakes one that takes longer to unpack. */
export class FrameAdapter implements WebSocketAdapter {
  onopen: () => void = () => {};
  onclose: (event: any) => void = () => {};
  onmessage: (message: { data: Uint8Array }) => void = () => {};
  onerror: (event: any) => void = () => {};
  /** How the socket was closed, once it was. */
  closed: { code: number; reason: string } | undefined;

  /** Frames that wait for one before them to be unpacked; at the end, that no more come. */
  private waiting: Promise<void> | undefined;
  private waitingBytes = 0;
  private hasFailed = false;

  constructor(
    private readonly socket: WebSocketLike,
    private readonly unreadBytesMax = UNREAD_BYTES_MAX
  ) {
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.onopen();
    socket.onmessage = ({ data }) => this.received(data);
    socket.onerror = event => this.onerror(event);
    socket.onclose = event => {
      this.closed = { code: event.code, reason: event.reason };
      if (this.waiting === undefined) {
        this.onclose(event);
      } else {
        void this.waiting.then(() => this.onclose(event));
      }
    };
  }

  get protocol(): string {
    return this.socket.protocol;
  }

  get readyState(): number {
    return this.socket.readyState;
  }

  get bufferedAmount(): number {
    return this.socket.bufferedAmount ?? 0;
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    this.socket.send(message);
  }

  close(): void {
    this.socket.close();
  }

  private fail(error: unknown): void {
    const cause = toError(error);
    const isKnown = cause instanceof ConnectionError;
    this.end(isKnown ? cause : new ProtocolError(cause.message));
  }

  /** What still comes until the socket is closed is of no use. */
  private end(error: ConnectionError): void {
    if (!this.hasFailed) {
      this.hasFailed = true;
      this.onerror({ message: error.message, error });
      this.close();
    }
  }

  private received(data: ArrayBuffer | string): void {
    if (this.hasFailed) {
      return;
    }
    if (typeof data === 'string') {
      this.fail(new Error('the server sent text'));
      return;
    }
    const bytes = new Uint8Array(data);
    if (this.waiting === undefined) {
      const unpacked = this.unpack(bytes);
      if (!(unpacked instanceof Promise)) {
        this.deliver(unpacked);
        return;
      }
      this.enqueue(bytes.length, () => unpacked);
    } else if (this.unreadBytesMax < this.waitingBytes + bytes.length) {
      const text = `more than ${this.unreadBytesMax} bytes came faster than they could be unpacked`;
      this.end(new ConnectionError(text));
    } else {
      this.enqueue(bytes.length, () => this.unpack(bytes));
    }
  }

  private enqueue(
    length: number,
    unpack: () => Uint8Array | undefined | Promise<Uint8Array>
  ): void {
    this.waitingBytes += length;
    const before = this.waiting ?? Promise.resolve();
    const step: Promise<void> = before
      .then(() => (this.hasFailed ? undefined : unpack()))
      .then(body => this.deliver(body))
      .catch(error => this.fail(error))
      .then(() => {
        this.waitingBytes -= length;
        if (this.waiting === step) {
          this.waiting = undefined;
        }
      });
    this.waiting = step;
  }

  private deliver(body: Uint8Array | undefined): void {
    if (body !== undefined && !this.hasFailed) {
      this.onmessage({ data: body });
    }
  }

  private unpack(frame: Uint8Array<ArrayBuffer>): Uint8Array | undefined | Promise<Uint8Array> {
    const format = FORMATS[frame[0] ?? -1];
    const body = frame.subarray(1);
    if (format === undefined) {
      this.fail(new Error(`the server compressed a frame in a way ${frame[0]} that is not known`));
      return undefined;
    }
    if (format === 'none') {
      return body;
    }
    try {
      return platform.decompress(format, body);
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }
}
