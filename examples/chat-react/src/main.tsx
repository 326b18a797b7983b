// Where the server is comes with the address of the page: `?uri=http://localhost:3000&db=chat`.

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { SpacetimeDBProvider } from 'spacetime-client/react';

import { App } from './app';
import { DbConnection } from './module_bindings';

const address = new URLSearchParams(location.search);
const database = address.get('db') ?? 'chat';
const tokenKey = `token of ${database}`;

const builder = DbConnection.builder()
  .withUri(address.get('uri') ?? 'http://localhost:3000')
  .withDatabaseName(database)
  .withToken(localStorage.getItem(tokenKey) ?? undefined)
  .withReconnect({ delayMs: 250, maxDelayMs: 5000 })
  .onConnect((_, __, token) => localStorage.setItem(tokenKey, token));

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <SpacetimeDBProvider connectionBuilder={builder}>
      <App />
    </SpacetimeDBProvider>
  </StrictMode>
);
