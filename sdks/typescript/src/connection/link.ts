// One socket to the server, from the attempt to open it to its end: what is sent in one go becomes
// as few frames as possible, and every way to fail becomes one call of `onEnd`.

import { ConnectionError, toError } from '../errors.js';
import { type Message, PROTOCOL_V2, PROTOCOL_V3, toFrames } from './protocol.js';
import type { WebSocketAdapter, WebSocketArgs, WebSocketFactory } from './transport.js';

export type LinkEvents = {
  onOpen(): void;
  onBody(body: Uint8Array): void;
  /** Called once; no error if the connection was closed in order. */
  onEnd(error: Error | undefined): void;
};

const CLOSING = 2;

/** While so many bytes have not left, the connection keeps its calls to itself. */
const UNSENT_BYTES_MAX = 16 * 1024 * 1024;

const CODE_NORMAL = 1000;
const CODE_GOING_AWAY = 1001;
const CODE_NONE = 1005;
const CLEAN_CODES: readonly number[] = [CODE_NORMAL, CODE_GOING_AWAY, CODE_NONE];

export class Link {
  private socket: WebSocketAdapter | undefined;
  private isOpen = false;
  private hasEnded = false;
  private failure: Error | undefined;
  private protocol = PROTOCOL_V2;
  private batch: Message[] = [];
  private batchBytes = 0;

  constructor(
    factory: WebSocketFactory,
    args: Omit<WebSocketArgs, 'wsProtocol'>,
    private readonly events: LinkEvents
  ) {
    const wsProtocol = [PROTOCOL_V3, PROTOCOL_V2];
    // Not before the constructor of whoever makes the link is through.
    void Promise.resolve()
      .then(() => factory({ ...args, wsProtocol }))
      .then(
        socket => this.attach(socket),
        error => this.end(toError(error))
      );
  }

  private attach(socket: WebSocketAdapter): void {
    if (this.hasEnded) {
      socket.onclose = () => {};
      socket.close();
      return;
    }
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      if (!this.hasEnded) {
        this.events.onBody(data);
      }
    };
    socket.onerror = event => {
      this.failure ??= errorOfEvent(event);
    };
    socket.onclose = event => this.closed(event);
    socket.onopen = () => this.opened();
    if (socket.readyState === 1) {
      this.opened();
    }
  }

  private opened(): void {
    if (this.isOpen || this.hasEnded) {
      return;
    }
    this.isOpen = true;
    this.protocol = this.socket?.protocol || PROTOCOL_V2;
    this.events.onOpen();
  }

  private closed(event: { code?: number; reason?: string; wasClean?: boolean }): void {
    const { code = CODE_NONE, reason = '' } = event ?? {};
    const isClean = this.failure === undefined && CLEAN_CODES.includes(code) && reason === '';
    if (isClean) {
      this.end(undefined, code);
    } else if (this.failure !== undefined && reason === '') {
      this.end(this.failure, code);
    } else {
      const why = reason === '' ? 'it was cut off' : reason;
      const text = `the server ended the connection (${code}): ${why}`;
      this.end(new ConnectionError(text, code, { cause: this.failure }), code);
    }
  }

  /** How the socket was closed. */
  closeCode: number | undefined;

  private end(error: Error | undefined, code?: number): void {
    if (!this.hasEnded) {
      this.hasEnded = true;
      this.isOpen = false;
      this.closeCode = code;
      this.batch = [];
      this.events.onEnd(error);
    }
  }

  /** Whether the socket is closed, even if nobody has said so. */
  get isSocketClosed(): boolean {
    const state = this.socket?.readyState;
    return this.hasEnded || (state !== undefined && CLOSING <= state);
  }

  get canSend(): boolean {
    return this.isOpen;
  }

  /** Whether more should wait until what was sent has left. */
  get isCongested(): boolean {
    return UNSENT_BYTES_MAX < this.batchBytes + (this.socket?.bufferedAmount ?? 0);
  }

  /** Sends soon, together with what else is sent until then. */
  send(message: Message): void {
    this.batch.push(message);
    this.batchBytes += message.length;
    if (this.batch.length === 1) {
      queueMicrotask(() => this.flush());
    }
  }

  flush(): void {
    const messages = this.batch;
    this.batch = [];
    this.batchBytes = 0;
    if (!this.isOpen) {
      return;
    }
    try {
      for (const frame of toFrames(messages, this.protocol)) {
        this.socket!.send(frame);
      }
    } catch (error) {
      this.fail(toError(error));
    }
  }

  /** Closes in order; the end is reported when the socket is closed. */
  close(): void {
    this.flush();
    if (this.socket === undefined) {
      this.end(undefined);
    } else {
      this.socket.close();
    }
  }

  /** Closes because of an error, and reports the end at once. */
  fail(error: Error): void {
    const { socket } = this;
    this.end(error);
    socket?.close();
  }
}

function errorOfEvent(event: { error?: unknown; message?: unknown; code?: unknown }): Error {
  const { error, message, code } = event ?? {};
  const text = typeof message === 'string' && message !== '' ? message : 'the connection failed';
  if (error instanceof ConnectionError) {
    return error;
  }
  return new ConnectionError(
    error instanceof Error ? error.message : text,
    typeof code === 'number' ? code : undefined,
    { cause: error }
  );
}
