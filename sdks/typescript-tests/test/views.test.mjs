// Views through the official client: its cache is to hold what each identity may see.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DbConnection, tables } from '../bindings/views.mjs';
import { V2, V3, VIEWS_DATABASE, connect, inTime, next, subscribe } from './harness.mjs';

const open = options => connect(DbConnection, VIEWS_DATABASE, options);

let lastId = BigInt(Date.now());
const freshId = () => (lastId += 1n);

const texts = view => [...view.iter()].map(row => row.text).sort();

for (const protocol of [V2, V3]) {
  test(`each identity sees its own rows (${protocol})`, async () => {
    const ann = await open({ protocols: [protocol] });
    const bob = await open({ protocols: [protocol] });
    assert.equal(ann.protocol, protocol);
    const [id, other] = [freshId(), freshId()];
    await inTime(ann.connection.reducers.writeNote({ id, day: 1, text: 'old' }), 'result');
    const queries = ['SELECT * FROM my_notes', 'SELECT * FROM my_notes_by_query'];
    for (const { connection } of [ann, bob]) {
      await subscribe(connection, queries);
    }
    assert.deepEqual(texts(ann.connection.db.myNotes), ['old']);
    assert.equal(bob.connection.db.myNotes.count(), 0n);
    const [row] = ann.connection.db.myNotes.iter();
    assert.ok(row.author.isEqual(ann.identity));

    // A row with the same key comes and goes as an update, in one transaction.
    const update = next(f => ann.connection.db.myNotes.onUpdate(f), 'update');
    await inTime(ann.connection.reducers.writeNote({ id, day: 2, text: 'new' }), 'result');
    const [, before, after] = await update;
    assert.deepEqual([before.text, after.text], ['old', 'new']);
    assert.deepEqual(texts(ann.connection.db.myNotesByQuery), ['new']);
    assert.equal(bob.connection.db.myNotesByQuery.count(), 0n);

    // Bob takes the note over: it goes from one cache into the other.
    const gone = next(f => ann.connection.db.myNotes.onDelete(f), 'deletion');
    await inTime(bob.connection.reducers.writeNote({ id, day: 3, text: 'taken' }), 'result');
    await gone;
    assert.equal(ann.connection.db.myNotes.count(), 0n);
    assert.equal(ann.connection.db.myNotesByQuery.count(), 0n);
    assert.deepEqual(texts(bob.connection.db.myNotes), ['taken']);
    assert.deepEqual(texts(bob.connection.db.myNotesByQuery), ['taken']);
    await inTime(bob.connection.reducers.writeNote({ id: other, day: 3, text: 'x' }), 'result');
    for (const gone of [id, other]) {
      await inTime(bob.connection.reducers.eraseNote({ id: gone }), 'result');
    }
    assert.equal(bob.connection.db.myNotes.count(), 0n);
    ann.connection.disconnect();
    bob.connection.disconnect();
  });
}

test('views are named in queries like tables', async () => {
  const { connection } = await open();
  const id = freshId();
  await inTime(connection.reducers.writeNote({ id, day: 1, text: 'one' }), 'result');
  await subscribe(connection, [tables.myNotes.where(row => row.id.eq(id)), tables.noteCount]);
  assert.deepEqual(texts(connection.db.myNotes), ['one']);
  const [count] = connection.db.noteCount.iter();
  assert.ok(count.rows > 0n);
  await inTime(connection.reducers.eraseNote({ id }), 'result');
  assert.equal(connection.db.myNotes.count(), 0n);
  connection.disconnect();
});

test('a view that fails is an error of its subscription alone', async () => {
  const { connection } = await open();
  const { reducers } = connection;
  await inTime(reducers.setSwitch({ name: 'moody', value: 100 }), 'result');
  await subscribe(connection, 'SELECT * FROM my_notes');
  const failed = new Promise(resolve => {
    connection
      .subscriptionBuilder()
      .onError((context, error) => resolve(error ?? context.event))
      .subscribe('SELECT * FROM moody');
  });
  const error = await inTime(failed, 'error');
  assert.match(String(error.message ?? error), /moody/);
  const id = freshId();
  await inTime(reducers.writeNote({ id, day: 1, text: 'goes on' }), 'result');
  assert.deepEqual(texts(connection.db.myNotes), ['goes on']);
  await inTime(reducers.eraseNote({ id }), 'result');
  await inTime(reducers.setSwitch({ name: 'moody', value: 0 }), 'result');
  connection.disconnect();
});
