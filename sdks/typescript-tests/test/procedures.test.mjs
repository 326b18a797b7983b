// Procedures through a client: what they return, what they commit, and how they fail.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DbConnection } from '../bindings/procedures.mjs';
import {
  CHAT_DATABASE,
  PROCEDURES_DATABASE,
  V2,
  V3,
  connect,
  inTime,
  subscribe,
} from './harness.mjs';

const open = options => connect(DbConnection, PROCEDURES_DATABASE, options);

const call = promise => inTime(promise, 'answer');

let lastText = 0;
const freshText = () => `${process.pid} ${Date.now()} ${(lastText += 1)}`;

for (const protocol of [V2, V3]) {
  test(`values come back (${protocol})`, async () => {
    const { connection, identity } = await open({ protocols: [protocol] });
    const { procedures } = connection;
    assert.equal(await call(procedures.add({ a: 4_000_000_000, b: 5 })), 4_000_000_005n);
    const name = 'caf\u{e9}';
    const described = await call(procedures.describe({ name, parent: 7n }));
    assert.deepEqual(described, { name, sizes: [99, 97, 102, 195, 169], parent: 7n });
    const orphan = await call(procedures.describe({ name: '', parent: undefined }));
    assert.deepEqual(orphan, { name: '', sizes: [], parent: undefined });
    // The transaction has the same caller, and its token.
    const [outside, inside, subject] = await call(procedures.who({}));
    assert.equal(outside, identity.toHexString());
    assert.equal(inside, outside);
    assert.ok(subject.length > 10, subject);
    connection.disconnect();
  });

  test(`what a procedure commits is in the cache before its answer (${protocol})`, async () => {
    const { connection } = await open({ protocols: [protocol] });
    const { connection: other } = await open({ protocols: [protocol] });
    const text = freshText();
    await subscribe(connection, 'SELECT * FROM entry');
    await subscribe(other, 'SELECT * FROM entry');
    const texts = () => [...connection.db.entry.iter()].map(row => row.text);
    const count = await call(connection.procedures.writeTwice({ text }));
    const mine = texts().filter(found => found.startsWith(text));
    assert.deepEqual(mine.sort(), [`${text} 1`, `${text} 2`]);
    assert.ok(count >= 2n);
    // A transaction that is undone leaves nothing.
    assert.equal(await call(connection.procedures.changeOnesMind({})), 'undone');
    assert.ok(!texts().includes('never'));
    // The other client hears of it, too.
    const wanted = `${text} 2`;
    const has = () => [...other.db.entry.iter()].some(row => row.text === wanted);
    if (!has()) {
      const arrived = new Promise(resolve => {
        other.db.entry.onInsert((_, row) => row.text === wanted && resolve());
      });
      await inTime(has() ? Promise.resolve() : arrived, 'row');
    }
    connection.disconnect();
    other.disconnect();
  });

  test(`failures reach the caller, and the connection goes on (${protocol})`, async () => {
    const { connection } = await open({ protocols: [protocol] });
    await subscribe(connection, 'SELECT * FROM entry');
    await assert.rejects(call(connection.procedures.stumble({})), /fatal error/);
    const texts = [...connection.db.entry.iter()].map(row => row.text);
    assert.ok(texts.includes('before the fall'), 'what was committed stays');
    assert.ok(!texts.includes('while falling'));
    assert.equal(await call(connection.procedures.add({ a: 1, b: 2 })), 3n);
    connection.disconnect();
    // Bindings of another module than the one that runs.
    const { connection: foreign } = await connect(DbConnection, CHAT_DATABASE, {
      protocols: [protocol],
    });
    await assert.rejects(call(foreign.procedures.stumble({})), /[Nn]o such procedure/);
    foreign.disconnect();
  });
}

test('a procedure that waits holds up neither reducers nor other procedures', async () => {
  const { connection } = await open();
  const naps = [300n, 300n, 300n].map(ms => connection.procedures.nap({ ms }));
  let isOver = false;
  const slept = Promise.all(naps).then(ends => {
    isOver = true;
    return ends;
  });
  await call(connection.reducers.write({ text: freshText() }));
  assert.equal(await call(connection.procedures.add({ a: 1, b: 1 })), 2n);
  assert.ok(!isOver, 'the naps were over first');
  assert.deepEqual(await call(slept), [true, true, true]);
  connection.disconnect();
});
