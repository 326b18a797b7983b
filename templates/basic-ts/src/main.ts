// Shows every person in the database as they come, and adds those whose names are typed.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { WebSocket } from 'undici';

import { DbConnection, tables } from './module_bindings';

const HOST = process.env.SPACETIMEDB_HOST ?? 'ws://localhost:3000';
const DB_NAME = process.env.SPACETIMEDB_DB_NAME ?? 'my-db';
const TOKEN_FILE = '.spacetimedb-token';

// Node has a WebSocket of its own since version 22.
globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket;

const savedToken = existsSync(TOKEN_FILE) ? readFileSync(TOKEN_FILE, 'utf8') : undefined;

const connection = DbConnection.builder()
  .withUri(HOST)
  .withDatabaseName(DB_NAME)
  .withToken(savedToken)
  .onConnect((conn, identity, token) => {
    writeFileSync(TOKEN_FILE, token, { mode: 0o600 });
    console.log(`connected as ${identity.toHexString()}`);
    conn
      .subscriptionBuilder()
      .onApplied(ctx => console.log(`${ctx.db.person.count()} people are here`))
      .onError(ctx => console.error('the subscription failed:', ctx.event))
      .subscribe(tables.person);
  })
  .onConnectError((_, error) => {
    console.error(`cannot connect to ${HOST}:`, error.message);
    process.exit(1);
  })
  .onDisconnect(() => {
    console.log('disconnected');
    process.exit(0);
  })
  .build();

connection.db.person.onInsert((_, person) => console.log(person.name));

console.log('type a name to add a person');
createInterface({ input: process.stdin }).on('line', line => {
  const name = line.trim();
  if (name !== '') {
    connection.reducers.add({ name }).catch(error => console.error('refused:', error));
  }
});
