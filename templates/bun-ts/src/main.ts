// Shows every person in the database as they come, and adds those whose names are typed.

import { DbConnection, tables } from './module_bindings';

const HOST = process.env.SPACETIMEDB_HOST ?? 'ws://localhost:3000';
const DB_NAME = process.env.SPACETIMEDB_DB_NAME ?? 'my-db';

const tokenFile = Bun.file('.spacetimedb-token');
const savedToken = (await tokenFile.exists()) ? await tokenFile.text() : undefined;

const connection = DbConnection.builder()
  .withUri(HOST)
  .withDatabaseName(DB_NAME)
  .withToken(savedToken)
  .onConnect((conn, identity, token) => {
    void Bun.write(tokenFile, token, { mode: 0o600 });
    console.log(`connected as ${identity.toHexString()}`);
    conn
      .subscriptionBuilder()
      .onApplied(ctx => console.log(`${ctx.db.person.count()} people are here`))
      .onError(ctx => console.error('the subscription failed:', ctx.event))
      .subscribe(tables.person);
  })
  .onConnectError((_context, error) => {
    console.error(`cannot connect to ${HOST}:`, error.message);
    process.exit(1);
  })
  .onDisconnect(() => {
    console.log('disconnected');
    process.exit(0);
  })
  .build();

connection.db.person.onInsert((_context, person) => console.log(person.name));

console.log('type a name to add a person');
for await (const line of console) {
  const name = line.trim();
  if (name !== '') {
    connection.reducers.add({ name }).catch(error => console.error('refused:', error));
  }
}
