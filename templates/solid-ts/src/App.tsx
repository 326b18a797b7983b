// The people in the database, and a form to add one.

import { For, Show, createSignal } from 'solid-js';
import { useReducer, useSpacetimeDB, useTable } from 'spacetimedb/solid';

import { reducers, tables } from './module_bindings';

export function App() {
  const connection = useSpacetimeDB();
  const [people, isReady] = useTable(() => tables.person);
  const add = useReducer(reducers.add);
  const [name, setName] = createSignal('');

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const text = name().trim();
    if (text === '') return;
    add({ name: text }).catch(error => console.error('refused:', error));
    setName('');
  };

  return (
    <main>
      <h1>People</h1>
      <p>{connection.isActive ? 'connected' : 'connecting'}</p>
      <form onSubmit={submit}>
        <input
          aria-label="Name"
          value={name()}
          onInput={event => setName(event.currentTarget.value)}
          disabled={!connection.isActive}
        />
        <button disabled={!connection.isActive}>Add</button>
      </form>
      <Show when={isReady() && people.length === 0}>
        <p>Nobody is here yet.</p>
      </Show>
      <ul>
        <For each={people}>{person => <li>{person.name}</li>}</For>
      </ul>
    </main>
  );
}
