import { createComponent, createEffect } from 'solid-js';
import { render } from 'solid-js/web';

import { SpacetimeDBProvider, useReducer, useSpacetimeDB, useTable } from 'spacetime-client/solid';

import { builder, query, sendMessage, tag } from './connection';

function App() {
  const state = useSpacetimeDB();
  const [rows, isReady] = useTable<any>(() => query);
  const send = useReducer<any>(sendMessage) as any;
  const text = document.createElement('p');
  createEffect(() => {
    text.textContent = `${state.isActive} ${isReady()} ${rows.length}`;
  });
  const button = document.createElement('button');
  button.textContent = 'send';
  button.addEventListener('click', () => send({ text: tag }));
  return [text, button];
}

const root = () =>
  createComponent(SpacetimeDBProvider, {
    connectionBuilder: builder,
    get children() {
      return createComponent(App, {});
    },
  });
render(root, document.getElementById('solid')!);
