// A program that stays: it shows every person in the database as they come, connects again when it
// is cut off, and adds those whose names are typed.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { WebSocket } from 'undici';

import { DbConnection, tables } from './module_bindings';

const HOST = process.env.SPACETIMEDB_HOST ?? 'ws://localhost:3000';
const DB_NAME = process.env.SPACETIMEDB_DB_NAME ?? 'my-db';
const TOKEN_FILE = '.spacetimedb-token';
const RETRY_MS = 1000;

// Node has a WebSocket of its own since version 22.
globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket;

let connection = connect();
let isEnding = false;

function connect(): DbConnection {
  const conn = DbConnection.builder()
    .withUri(HOST)
    .withDatabaseName(DB_NAME)
    .withToken(existsSync(TOKEN_FILE) ? readFileSync(TOKEN_FILE, 'utf8') : undefined)
    .onConnect((conn, identity, token) => {
      writeFileSync(TOKEN_FILE, token, { mode: 0o600 });
      console.log(`connected as ${identity.toHexString()}`);
      conn
        .subscriptionBuilder()
        .onApplied(ctx => console.log(`${ctx.db.person.count()} people are here`))
        .onError(ctx => console.error('the subscription failed:', ctx.event))
        .subscribe(tables.person);
    })
    .onConnectError((_context, error) => {
      console.error(`cannot connect to ${HOST}:`, error.message);
      connectLater();
    })
    .onDisconnect(() => {
      console.log('disconnected');
      connectLater();
    })
    .build();
  conn.db.person.onInsert((_context, person) => console.log(person.name));
  return conn;
}

function connectLater() {
  if (isEnding) return;
  setTimeout(() => {
    connection = connect();
  }, RETRY_MS);
}

function end() {
  isEnding = true;
  connection.disconnect();
  process.exit(0);
}
process.on('SIGINT', end);
process.on('SIGTERM', end);

console.log('type a name to add a person');
createInterface({ input: process.stdin }).on('line', line => {
  const name = line.trim();
  if (name !== '') {
    connection.reducers.add({ name }).catch(error => console.error('refused:', error));
  }
});
