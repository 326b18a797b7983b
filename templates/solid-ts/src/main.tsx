// Makes the connection, which every component below shares.

import { render } from 'solid-js/web';
import { SpacetimeDBProvider } from 'spacetimedb/solid';

import { App } from './App';
import { connectionBuilder } from './connection';

render(
  () => (
    <SpacetimeDBProvider connectionBuilder={connectionBuilder}>
      <App />
    </SpacetimeDBProvider>
  ),
  document.getElementById('root')!
);
