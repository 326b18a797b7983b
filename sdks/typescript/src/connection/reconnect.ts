// When a lost connection is made again: after a delay that doubles, and at once when there is
// reason to think that it will work now.

import { ConnectionError, ProtocolError } from '../errors.js';

export type ReconnectOptions = {
  /** The first delay; every further one is twice as long. 1000 if not given. */
  delayMs?: number;
  /** No delay is longer. 30 000 if not given. */
  maxDelayMs?: number;
  /** How often in a row it is tried before giving up. Forever, if not given. */
  maxAttempts?: number;
};

export type ReconnectPolicy = Required<ReconnectOptions>;

export function reconnectPolicy(options: ReconnectOptions = {}): ReconnectPolicy {
  const { delayMs = 1000, maxDelayMs = 30_000, maxAttempts = Infinity } = options;
  return { delayMs, maxDelayMs, maxAttempts };
}

/** The delay before an attempt, counted from 0; up to a quarter shorter, not all at once. */
export function reconnectDelayMs(
  policy: ReconnectPolicy,
  attempt: number,
  random: () => number = Math.random
): number {
  const whole = Math.min(policy.maxDelayMs, policy.delayMs * 2 ** Math.min(attempt, 30));
  return Math.round(whole * (1 - random() / 4));
}

const STATUS_TIMEOUT = 408;
const STATUS_TOO_MANY = 429;

/** Whether to try again would only fail again: the server said no, or is not understood. */
export function isFinal(error: Error | undefined): boolean {
  if (error instanceof ProtocolError) {
    return true;
  }
  const code = error instanceof ConnectionError ? error.code : undefined;
  return (
    code !== undefined &&
    400 <= code &&
    code < 500 &&
    code !== STATUS_TIMEOUT &&
    code !== STATUS_TOO_MANY
  );
}

type EventSource = {
  addEventListener(name: string, listener: () => void): void;
  removeEventListener(name: string, listener: () => void): void;
};

const isEventSource = (value: unknown): value is EventSource =>
  typeof (value as EventSource | undefined)?.addEventListener === 'function';

/**
 * Calls `wake` when a page is looked at again or the network is back; in a worker, for the second
 * alone. Returns how to stop that. Outside of browsers nothing happens.
 */
export function onWake(wake: () => void): () => void {
  const scope: unknown = globalThis;
  const { document } = globalThis as { document?: unknown };
  if (!isEventSource(scope)) {
    return () => {};
  }
  const listened: [EventSource, string][] = [[scope, 'online']];
  if (isEventSource(document)) {
    listened.push([scope, 'focus'], [scope, 'pageshow'], [document, 'visibilitychange']);
  }
  const listener = (): void => {
    if ((document as { visibilityState?: string } | undefined)?.visibilityState !== 'hidden') {
      wake();
    }
  };
  for (const [source, name] of listened) {
    source.addEventListener(name, listener);
  }
  return () => {
    for (const [source, name] of listened) {
      source.removeEventListener(name, listener);
    }
  };
}
