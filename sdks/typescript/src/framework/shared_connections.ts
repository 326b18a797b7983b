// Connections that components share: one for each server and database, as long as anybody uses it.
// A component that goes and comes back at once, as React's strict mode does to all, finds the same
// connection. Lost connections are made again.

import type { DbConnectionBuilder } from '../connection/builder.js';
import type { DbConnectionImpl } from '../connection/db_connection.js';
import { ConnectionId } from '../values/connection_id.js';
import type { Identity } from '../values/identity.js';

export type ConnectionState = {
  isActive: boolean;
  identity?: Identity | undefined;
  token?: string | undefined;
  connectionId: ConnectionId;
  connectionError?: Error | undefined;
};

type Connection = DbConnectionImpl<any>;
type Listener = () => void;

type Shared = {
  connection: Connection;
  users: number;
  state: ConnectionState;
  listeners: Set<Listener>;
  release: ReturnType<typeof setTimeout> | undefined;
  detach: () => void;
};

const NO_CONNECTION = new ConnectionId(0n);

/** What is known before there is a connection. */
export const INITIAL_STATE: ConnectionState = { isActive: false, connectionId: NO_CONNECTION };

export class SharedConnections {
  readonly #shared = new Map<string, Shared>();

  getKey(uri: string, moduleName: string): string {
    return `${uri}::${moduleName}`;
  }

  keyOf(builder: DbConnectionBuilder<any>): string {
    return this.getKey(builder.getUri(), builder.getModuleName());
  }

  /** The connection, made if nobody had it. Everyone who retains it releases it. */
  retain<T extends Connection>(key: string, builder: DbConnectionBuilder<T>): T {
    let shared = this.#shared.get(key);
    if (shared === undefined) {
      shared = {
        connection: build(builder),
        users: 0,
        state: INITIAL_STATE,
        listeners: new Set(),
        release: undefined,
        detach: () => {},
      };
      this.#shared.set(key, shared);
      this.#attach(shared);
    }
    clearTimeout(shared.release);
    shared.release = undefined;
    shared.users += 1;
    return shared.connection as T;
  }

  /** The last one who releases it closes it, if nobody comes until the next turn. */
  release(key: string): void {
    const shared = this.#shared.get(key);
    if (shared === undefined) {
      return;
    }
    shared.users -= 1;
    if (shared.users === 0) {
      shared.release = setTimeout(() => {
        this.#shared.delete(key);
        shared.detach();
        shared.connection.disconnect();
      }, 0);
    }
  }

  /** Another connection for the same users, as after a login. Null if there are none. */
  rebuild<T extends Connection>(key: string, builder: DbConnectionBuilder<T>): T | null {
    const shared = this.#shared.get(key);
    if (shared === undefined) {
      return null;
    }
    shared.detach();
    shared.connection.disconnect();
    const connection = build(builder);
    shared.connection = connection;
    this.#attach(shared);
    return connection;
  }

  #attach(shared: Shared): void {
    const { connection } = shared;
    let lastError: Error | undefined;
    const update = (): void => {
      const { isActive, identity, token, connectionId } = connection;
      if (isActive) {
        lastError = undefined;
      }
      shared.state = { isActive, identity, token, connectionId, connectionError: lastError };
      for (const listener of [...shared.listeners]) {
        listener();
      }
    };
    const fail = (_: unknown, error?: Error): void => {
      lastError = error;
      update();
    };
    const failures = ['connectError', 'reconnecting', 'disconnect'] as const;
    connection.on('state', update);
    for (const event of failures) {
      connection.on(event, fail);
    }
    shared.detach = () => {
      connection.off('state', update);
      for (const event of failures) {
        connection.off(event, fail);
      }
    };
    update();
  }

  subscribe(key: string, listener: Listener): () => void {
    const shared = this.#shared.get(key);
    shared?.listeners.add(listener);
    return () => void shared?.listeners.delete(listener);
  }

  /** The same object as long as nothing has changed. */
  getSnapshot(key: string): ConnectionState | undefined {
    return this.#shared.get(key)?.state;
  }

  getConnection<T extends Connection>(key: string): T | null {
    return (this.#shared.get(key)?.connection as T | undefined) ?? null;
  }
}

function build<T extends Connection>(builder: DbConnectionBuilder<T>): T {
  if (!builder.reconnects) {
    builder.withReconnect();
  }
  return builder.build();
}

export const sharedConnections = new SharedConnections();
