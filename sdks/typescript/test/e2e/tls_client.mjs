// A client in a process of its own, for `tls.test.mjs`: which authorities a process trusts is said
// when it starts.

import { DbConnection } from '../bindings/chat.mjs';
import { connect, subscribe } from './harness.mjs';

const [url, database] = process.argv.slice(2);
try {
  const first = await connect(DbConnection, database, { url });
  const { connection, identity } = await connect(DbConnection, database, {
    url: url.replace(/^https/, 'wss'),
    token: first.token,
  });
  await subscribe(connection, ['SELECT * FROM user']);
  await connection.reducers.setName({ name: 'behind a lock' });
  const me = connection.db.user.identity.find(identity);
  console.log(`${me.name}, ${identity.isEqual(first.identity) ? 'the same' : 'another'}`);
} catch (error) {
  console.log(`refused: ${error.message}`);
}
process.exit(0);
