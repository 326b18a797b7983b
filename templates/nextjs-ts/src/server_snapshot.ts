// The rows of a moment, for pages that are made on the server: a connection that is closed as soon
// as it has them.

import { WebSocket } from 'undici';

import { DbConnection, tables } from './module_bindings';

const HOST =
  process.env.SPACETIMEDB_HOST ?? process.env.NEXT_PUBLIC_SPACETIMEDB_HOST ?? 'ws://localhost:3000';
const DB_NAME =
  process.env.SPACETIMEDB_DB_NAME ?? process.env.NEXT_PUBLIC_SPACETIMEDB_DB_NAME ?? 'my-db';
const TIMEOUT_MS = 10_000;

// Node has a WebSocket of its own since version 22.
globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket;

/** What goes to the browser with the page: plain values, no classes. */
export interface PersonSnapshot {
  name: string;
}

export function fetchPeople(): Promise<PersonSnapshot[]> {
  return new Promise((resolve, reject) => {
    const connection = DbConnection.builder()
      .withUri(HOST)
      .withDatabaseName(DB_NAME)
      .onConnect(conn => {
        conn
          .subscriptionBuilder()
          .onApplied(ctx => {
            const people = Array.from(ctx.db.person.iter(), ({ name }) => ({ name }));
            finish(() => resolve(people));
          })
          .onError(() => finish(() => reject(new Error('the subscription failed'))))
          .subscribe(tables.person);
      })
      .onConnectError((_context, error) => finish(() => reject(error)))
      .build();

    const timer = setTimeout(() => {
      finish(() => reject(new Error(`no answer from ${HOST} in ${TIMEOUT_MS} ms`)));
    }, TIMEOUT_MS);

    function finish(settle: () => void) {
      clearTimeout(timer);
      settle();
      connection.disconnect();
    }
  });
}
