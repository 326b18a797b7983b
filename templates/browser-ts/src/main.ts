// The people in the database, and a form to add one, without a framework: callbacks of the table
// change the page.

import { connectionBuilder } from './connection';
import { DbConnection, tables } from './module_bindings';

const element = <E extends HTMLElement>(selector: string) => document.querySelector<E>(selector)!;
const state = element('#state');
const form = element<HTMLFormElement>('#add');
const input = element<HTMLInputElement>('#name');
const button = element<HTMLButtonElement>('#add button');
const list = element('#people');

function show(connection: Pick<DbConnection, 'db'>) {
  const items = [...connection.db.person.iter()].map(person => {
    const item = document.createElement('li');
    item.textContent = person.name;
    return item;
  });
  list.replaceChildren(...items);
}

function setActive(isActive: boolean) {
  state.textContent = isActive ? 'connected' : 'disconnected';
  input.disabled = !isActive;
  button.disabled = !isActive;
}

const connection = connectionBuilder
  .onConnect(conn => {
    setActive(true);
    conn
      .subscriptionBuilder()
      .onApplied(show)
      .onError(ctx => console.error('the subscription failed:', ctx.event))
      .subscribe(tables.person);
  })
  .onDisconnect(() => setActive(false))
  .build();

connection.db.person.onInsert(show);
connection.db.person.onDelete(show);

form.addEventListener('submit', event => {
  event.preventDefault();
  const name = input.value.trim();
  if (name === '') return;
  connection.reducers.add({ name }).catch(error => console.error('refused:', error));
  form.reset();
});
