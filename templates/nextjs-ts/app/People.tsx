'use client';

// The people in the database, and a form to add one.

import { type FormEvent, useState } from 'react';
import { useReducer, useSpacetimeDB, useTable } from 'spacetimedb/react';

import { reducers, tables } from '../src/module_bindings';
import type { PersonSnapshot } from '../src/server_snapshot';

export function People({ snapshot }: { snapshot?: PersonSnapshot[] }) {
  const { isActive } = useSpacetimeDB();
  const [live, isReady] = useTable(tables.person);
  const add = useReducer(reducers.add);
  const [name, setName] = useState('');

  // The server's rows are shown until the browser has its own.
  const people = isReady ? live : snapshot;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === '') return;
    add({ name: name.trim() }).catch(error => console.error('refused:', error));
    setName('');
  };

  return (
    <main>
      <h1>People</h1>
      <p>{isActive ? 'connected' : 'connecting'}</p>
      <form onSubmit={submit}>
        <input
          aria-label="Name"
          value={name}
          onChange={event => setName(event.target.value)}
          disabled={!isActive}
        />
        <button disabled={!isActive}>Add</button>
      </form>
      {people?.length === 0 && <p>Nobody is here yet.</p>}
      <ul>
        {people?.map((person, position) => (
          <li key={position}>{person.name}</li>
        ))}
      </ul>
    </main>
  );
}
