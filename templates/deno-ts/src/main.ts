// Shows every person in the database as they come, and adds those whose names are typed.

import { DbConnection, tables } from './module_bindings/index.ts';

const HOST = Deno.env.get('SPACETIMEDB_HOST') ?? 'ws://localhost:3000';
const DB_NAME = Deno.env.get('SPACETIMEDB_DB_NAME') ?? 'my-db';
const TOKEN_FILE = '.spacetimedb-token';

const savedToken = await Deno.readTextFile(TOKEN_FILE).catch(() => undefined);

const connection = DbConnection.builder()
  .withUri(HOST)
  .withDatabaseName(DB_NAME)
  .withToken(savedToken)
  .onConnect((conn, identity, token) => {
    Deno.writeTextFileSync(TOKEN_FILE, token, { mode: 0o600 });
    console.log(`connected as ${identity.toHexString()}`);
    conn
      .subscriptionBuilder()
      .onApplied(ctx => console.log(`${ctx.db.person.count()} people are here`))
      .onError(ctx => console.error('the subscription failed:', ctx.event))
      .subscribe(tables.person);
  })
  .onConnectError((_context, error) => {
    console.error(`cannot connect to ${HOST}:`, error.message);
    Deno.exit(1);
  })
  .onDisconnect(() => {
    console.log('disconnected');
    Deno.exit(0);
  })
  .build();

connection.db.person.onInsert((_context, person) => console.log(person.name));

console.log('type a name to add a person');
const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
let rest = '';
for await (const part of lines) {
  const names = (rest + part).split('\n');
  rest = names.pop() ?? '';
  for (const name of names.map(line => line.trim()).filter(line => line !== '')) {
    connection.reducers.add({ name }).catch(error => console.error('refused:', error));
  }
}
