// Calls that wait for their result. Each is settled exactly once: by its result, or by the end of
// the connection.

import BinaryReader from '../bsatn/reader.js';
import { ConnectionLostError, InternalError, SenderError } from '../errors.js';
import type { Message, ReducerOutcome } from './protocol.js';

/** More than this is not kept for a connection that is not there. */
const WAITING_MESSAGES_MAX = 16_384;
const WAITING_BYTES_MAX = 64 * 1024 * 1024;

const NOTHING: Message = new Uint8Array(0);

export type CallResult =
  | { kind: 'reducer'; name: string; args: object; resolve: () => void }
  | { kind: 'procedure'; resolve: (returned: Uint8Array) => void }
  | { kind: 'query'; resolve: (rows: any[]) => void };

export type Call = CallResult & {
  message: Message;
  wasSent: boolean;
  reject: (error: Error) => void;
};

export class Calls {
  private readonly open = new Map<number, Call>();
  /** Those of them that have not been sent. */
  private readonly waiting = new Map<number, Call>();
  private waitingBytes = 0;

  /** A promise for the result; `start` is given what settles it. */
  add<T>(
    requestId: number,
    message: Message,
    toResult: (resolve: (value: T) => void) => CallResult
  ): Promise<T> {
    let rejectPromise: (error: Error) => void = () => {};
    const promise = new Promise<T>((resolve, reject) => {
      rejectPromise = reject;
      const call: Call = {
        ...toResult(resolve),
        message,
        wasSent: false,
        reject: error => {
          if (error instanceof ConnectionLostError) {
            // Who does not look at the result need not be told that it will never come.
            promise.catch(() => {});
          }
          rejectPromise(error);
        },
      };
      this.open.set(requestId, call);
      this.waiting.set(requestId, call);
    });
    this.waitingBytes += message.length;
    if (WAITING_MESSAGES_MAX < this.waiting.size || WAITING_BYTES_MAX < this.waitingBytes) {
      this.take(requestId)?.reject(
        new ConnectionLostError('too many calls wait for the connection', false)
      );
    }
    return promise;
  }

  /** The call, which is no longer open. */
  take(requestId: number): Call | undefined {
    const call = this.open.get(requestId);
    this.open.delete(requestId);
    if (call !== undefined && this.waiting.delete(requestId)) {
      this.waitingBytes -= call.message.length;
    }
    return call;
  }

  get hasWaiting(): boolean {
    return 0 < this.waiting.size;
  }

  /** Sends the calls that wait, in order, as long as `canSend`. */
  sendWaiting(send: (message: Message) => void, canSend: () => boolean): void {
    for (const [requestId, call] of this.waiting) {
      if (!canSend()) {
        return;
      }
      this.waiting.delete(requestId);
      this.waitingBytes -= call.message.length;
      call.wasSent = true;
      send(call.message);
      call.message = NOTHING;
    }
  }

  /** Ends the calls that were sent, or all of them. */
  lose(reason: string, all: boolean): void {
    for (const [requestId, call] of [...this.open]) {
      if (all || call.wasSent) {
        this.take(requestId);
        const known = call.wasSent
          ? 'whether the call was executed is not known'
          : 'the call was not sent';
        call.reject(new ConnectionLostError(`${reason}; ${known}`, call.wasSent));
      }
    }
  }
}

/** The error that a reducer ended with, if it did. */
export function errorOf(outcome: ReducerOutcome): Error | undefined {
  switch (outcome.tag) {
    case 'Err':
      return new SenderError(readErrorText(outcome.value));
    case 'InternalError':
      return new InternalError(outcome.value);
    default:
      return undefined;
  }
}

/** Errors of reducers are text; of anything else the bytes are shown. */
function readErrorText(bytes: Uint8Array): string {
  try {
    const reader = new BinaryReader(bytes);
    const text = reader.readString();
    if (reader.remaining === 0) {
      return text;
    }
  } catch {
    // Shown below.
  }
  return `an error of ${bytes.length} bytes that is not text: [${bytes.join(', ')}]`;
}
