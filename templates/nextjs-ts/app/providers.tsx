'use client';

// Makes the browser's connection, which every component below shares.

import { type ReactNode, useEffect, useState } from 'react';
import { SpacetimeDBProvider } from 'spacetimedb/react';

import { DbConnection } from '../src/module_bindings';

const HOST = process.env.NEXT_PUBLIC_SPACETIMEDB_HOST ?? 'ws://localhost:3000';
const DB_NAME = process.env.NEXT_PUBLIC_SPACETIMEDB_DB_NAME ?? 'my-db';
const TOKEN_KEY = `${HOST}/${DB_NAME}/auth_token`;

function newBuilder() {
  // This runs on the server, too, where nobody is known.
  const token = typeof window === 'undefined' ? null : localStorage.getItem(TOKEN_KEY);
  return DbConnection.builder()
    .withUri(HOST)
    .withDatabaseName(DB_NAME)
    .withToken(token ?? undefined)
    .onConnect((_connection, _identity, token) => localStorage.setItem(TOKEN_KEY, token))
    .onConnectError((_context, error) => console.error(`cannot connect to ${HOST}:`, error));
}

export function Providers({ children }: { children: ReactNode }) {
  // Made once: a new builder would mean a new connection.
  const [connectionBuilder] = useState(newBuilder);

  // New bindings are for a module that has changed: the page begins anew with them.
  const [bindings] = useState(() => DbConnection);
  useEffect(() => {
    if (bindings !== DbConnection) location.reload();
  });

  return (
    <SpacetimeDBProvider connectionBuilder={connectionBuilder}>{children}</SpacetimeDBProvider>
  );
}
