// What React's hooks promise, written down as it happens: `window.log`.

import { StrictMode, createElement, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { SpacetimeDBProvider, useReducer, useSpacetimeDB, useTable } from 'spacetime-client/react';

import { DbConnection, reducers, tables } from '../../bindings/kitchen_sink.mjs';

const address = new URLSearchParams(location.search);
const owner = BigInt(address.get('owner') ?? '0');
const log: string[] = [];
Object.assign(window, { log });

const builder = DbConnection.builder()
  .withUri(address.get('uri') ?? '')
  .withDatabaseName(address.get('db') ?? '');

/** The items of one owner on the lower shelves. */
const query: any = tables.item.where((row: any) => row.owner.eq(owner).and(row.shelf.lt(10)));

function Items() {
  const [enabled, setEnabled] = useState(true);
  const [rows, isReady] = useTable<any>(query, {
    enabled,
    onInsert: (row: any) => log.push(`+${row.label}`),
    onDelete: (row: any) => log.push(`-${row.label}`),
    onUpdate: (old: any, row: any) => log.push(`${old.label}>${row.label}`),
  });
  useEffect(() => {
    log.push(`${rows.length} rows, ${isReady}`);
  }, [rows, isReady]);
  return createElement('button', { onClick: () => setEnabled(!enabled) }, 'switch');
}

function App() {
  const { isActive } = useSpacetimeDB();
  const removeAll: any = useReducer<any>((reducers as any).deleteItemsByOwner);
  useEffect(() => {
    log.push(isActive ? 'connected' : 'not connected');
  }, [isActive]);
  return [
    createElement(Items, { key: 'items' }),
    createElement('button', { key: 'b', onClick: () => removeAll({ owner }) }, 'remove'),
  ];
}

const provider = createElement(SpacetimeDBProvider, { connectionBuilder: builder } as any, [
  createElement(App, { key: 'app' }),
]);
createRoot(document.getElementById('react')!).render(createElement(StrictMode, null, provider));
