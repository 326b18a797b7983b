// Where the database is, and who this page is there.

import { DbConnection } from './module_bindings';

const HOST = import.meta.env.VITE_SPACETIMEDB_HOST ?? 'ws://localhost:3000';
const DB_NAME = import.meta.env.VITE_SPACETIMEDB_DB_NAME ?? 'my-db';
const TOKEN_KEY = `${HOST}/${DB_NAME}/auth_token`;

// Made once: a new builder would mean a new connection.
export const connectionBuilder = DbConnection.builder()
  .withUri(HOST)
  .withDatabaseName(DB_NAME)
  .withToken(localStorage.getItem(TOKEN_KEY) ?? undefined)
  .onConnect((_connection, _identity, token) => localStorage.setItem(TOKEN_KEY, token))
  .onConnectError((_context, error) => console.error(`cannot connect to ${HOST}:`, error));

// New bindings are for a module that has changed: the page begins anew with them.
import.meta.hot?.accept(() => location.reload());
