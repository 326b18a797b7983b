// What calls and connections can fail with.

/** The reducer returned an error; the message is its text. Nothing was changed. */
export class SenderError extends Error {
  override get name(): string {
    return 'SenderError';
  }
}

/** The call could not be made, or the module failed while it ran. Nothing was changed. */
export class InternalError extends Error {
  override get name(): string {
    return 'InternalError';
  }
}

/**
 * The connection ended before the result of a call came. If `wasSent`, the call may have been
 * executed or not; otherwise it certainly was not.
 */
export class ConnectionLostError extends Error {
  readonly wasSent: boolean;

  constructor(message: string, wasSent: boolean) {
    super(message);
    this.wasSent = wasSent;
  }

  override get name(): string {
    return 'ConnectionLostError';
  }
}

/** A connection could not be made, or ended without having been asked to. */
export class ConnectionError extends Error {
  /** The code of the WebSocket's close frame, or the HTTP status that refused the connection. */
  readonly code: number | undefined;

  constructor(message: string, code?: number, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  override get name(): string {
    return 'ConnectionError';
  }
}

/** The server sent what this client cannot understand; the connection is ended. */
export class ProtocolError extends ConnectionError {
  override get name(): string {
    return 'ProtocolError';
  }
}

/** The server refused a subscription, or ended it because its query failed. */
export class SubscriptionError extends Error {
  override get name(): string {
    return 'SubscriptionError';
  }
}

export function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
