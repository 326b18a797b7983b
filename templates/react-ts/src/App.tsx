// The people in the database, and a form to add one.

import { type FormEvent, useState } from 'react';
import { useReducer, useSpacetimeDB, useTable } from 'spacetimedb/react';

import { reducers, tables } from './module_bindings';

export function App() {
  const { isActive } = useSpacetimeDB();
  const [people, isReady] = useTable(tables.person);
  const add = useReducer(reducers.add);
  const [name, setName] = useState('');

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
      {isReady && people.length === 0 && <p>Nobody is here yet.</p>}
      <ul>
        {people.map((person, position) => (
          <li key={position}>{person.name}</li>
        ))}
      </ul>
    </main>
  );
}
