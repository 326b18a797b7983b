// The chat module through the official client, over both protocols and with compression.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { SenderError } from '#sdk';

import { DbConnection, tables } from '../bindings/chat.mjs';
import {
  CHAT_DATABASE,
  IS_OWN_CLIENT,
  SERVER_URL,
  V2,
  V3,
  connect,
  inTime,
  next,
  subscribe,
} from './harness.mjs';

const EVERYTHING = ['SELECT * FROM user', 'SELECT * FROM message'];
const open = options => connect(DbConnection, CHAT_DATABASE, options);

for (const protocols of [[V3, V2], [V2]]) {
  for (const compression of ['none', 'gzip']) {
    const title = `${protocols[0]}, compression ${compression}`;

    test(`${title}: a conversation`, async () => {
      const alice = await open({ protocols, compression });
      assert.equal(alice.protocol, protocols[0]);
      assert.ok(alice.token.length > 0);
      assert.ok(alice.connection.isActive);
      await subscribe(alice.connection, EVERYTHING);
      const users = alice.connection.db.user;
      const mine = users.identity.find(alice.identity);
      assert.deepEqual([mine.name, mine.online], [undefined, true]);

      const isBob = bob => row => row.identity.isEqual(bob.identity);
      const arrival = next(
        f => users.onInsert(f),
        'arrival',
        (_, row) => row.online
      );
      const bob = await open({ protocols, compression });
      const [, arrived] = await arrival;
      assert.ok(isBob(bob)(arrived));

      const name = `bob ${randomUUID()}`;
      const renaming = next(
        f => users.onUpdate(f),
        'new name',
        (_, old, row) => isBob(bob)(row)
      );
      await inTime(bob.connection.reducers.setName({ name }), 'result of setName');
      const [, before, after] = await renaming;
      assert.deepEqual([before.name, after.name], [undefined, name]);
      assert.equal(users.identity.find(bob.identity).name, name);

      const text = `hello ${randomUUID()}`;
      const messages = alice.connection.db.message;
      const message = next(
        f => messages.onInsert(f),
        'message',
        (_, row) => row.text === text
      );
      await inTime(bob.connection.reducers.sendMessage({ text }), 'result of sendMessage');
      const [context, row] = await message;
      assert.equal(context.event.tag, 'Transaction');
      assert.ok(row.sender.isEqual(bob.identity));
      assert.ok(Math.abs(Date.now() - row.sent.toDate().getTime()) < 60_000);

      const leaving = next(
        f => users.onUpdate(f),
        'leave',
        (_, old, now) => !now.online
      );
      bob.connection.disconnect();
      const [, , left] = await leaving;
      assert.ok(isBob(bob)(left));
      alice.connection.disconnect();
    });
  }
}

test('the caller sees its own change before its call resolves, as its own', async () => {
  const { connection } = await open();
  await subscribe(connection, EVERYTHING);
  const text = `mine ${randomUUID()}`;
  let event;
  connection.db.message.onInsert((context, row) => {
    if (row.text === text) {
      event = context.event;
    }
  });
  await inTime(connection.reducers.sendMessage({ text }), 'result');
  assert.equal(event?.tag, 'Reducer');
  assert.equal(event.value.reducer.name, 'send_message');
  connection.disconnect();
});

test('the text of a failed reducer reaches its caller, and nothing is changed', async () => {
  const { connection } = await open();
  await subscribe(connection, EVERYTHING);
  const before = connection.db.message.count();
  await assert.rejects(
    inTime(connection.reducers.sendMessage({ text: '  ' }), 'result'),
    error => error instanceof SenderError && error.message === 'a message must not be empty'
  );
  assert.equal(connection.db.message.count(), before);
  connection.disconnect();
});

test('a token brings the identity back', async () => {
  const first = await open();
  first.connection.disconnect();
  const second = await open({ token: first.token });
  assert.ok(second.identity.isEqual(first.identity));
  assert.ok(!second.connection.connectionId.isEqual(first.connection.connectionId));
  second.connection.disconnect();
});

test('a subscription with typed queries holds what it asks for, and no more', async () => {
  const { connection, identity } = await open();
  const other = await open();
  await subscribe(
    connection,
    tables.user.where(row => row.identity.eq(identity))
  );
  const rows = [...connection.db.user.iter()];
  assert.equal(rows.length, 1);
  assert.ok(rows[0].identity.isEqual(identity));
  other.connection.disconnect();
  connection.disconnect();
});

test('rows leave the cache when their subscription ends', async () => {
  const { connection, identity } = await open();
  const handle = await subscribe(
    connection,
    tables.user.where(row => row.identity.eq(identity))
  );
  assert.ok(handle.isActive());
  const deletion = next(f => connection.db.user.onDelete(f), 'deletion');
  await inTime(new Promise(resolve => handle.unsubscribeThen(resolve)), 'end of subscription');
  const [context, row] = await deletion;
  assert.equal(context.event.tag, 'UnsubscribeApplied');
  assert.ok(row.identity.isEqual(identity));
  assert.equal(connection.db.user.count(), 0n);
  assert.ok(handle.isEnded());
  connection.disconnect();
});

test('all tables are subscribed to at once', async () => {
  const { connection, identity } = await open();
  const answer = new Promise((resolve, reject) =>
    connection
      .subscriptionBuilder()
      .onApplied(resolve)
      .onError(ctx => reject(ctx.event))
      .subscribeToAllTables()
  );
  await inTime(answer, 'answer to the subscription');
  assert.equal(connection.db.user.identity.find(identity).online, true);
  const text = `to all ${randomUUID()}`;
  await inTime(connection.reducers.sendMessage({ text }), 'result of sendMessage');
  assert.ok([...connection.db.message.iter()].some(row => row.text === text));
  connection.disconnect();
});

test('a row in two subscriptions stays until both have ended', async () => {
  const { connection, identity } = await open();
  const query = tables.user.where(row => row.identity.eq(identity));
  const first = await subscribe(connection, query);
  const second = await subscribe(connection, query);
  await inTime(new Promise(resolve => first.unsubscribeThen(resolve)), 'end of the first');
  assert.equal(connection.db.user.count(), 1n);
  await inTime(new Promise(resolve => second.unsubscribeThen(resolve)), 'end of the second');
  assert.equal(connection.db.user.count(), 0n);
  connection.disconnect();
});

test('a query that makes no sense is answered with an error', async () => {
  const { connection } = await open();
  await assert.rejects(subscribe(connection, 'SELECT * FROM no_such_table'), /no_such_table/);
  await subscribe(connection, EVERYTHING);
  connection.disconnect();
});

test('a database is found by its identity, too', async () => {
  const answer = await fetch(`${SERVER_URL}/v1/database/${CHAT_DATABASE}/identity`);
  const { connection } = await connect(DbConnection, await answer.text());
  await inTime(connection.reducers.sendMessage({ text: `by identity ${randomUUID()}` }), 'result');
  connection.disconnect();
});

test('a database that does not exist is a connect error', async () => {
  await assert.rejects(connect(DbConnection, `no-such-${randomUUID()}`));
});

test('a token that the server did not sign is a connect error, at once', async () => {
  const { connection, token } = await open();
  connection.disconnect();
  const [head, payload, signature] = token.split('.');
  const forged = [head, payload, `${signature.slice(0, -8)}AAAAAAAA`].join('.');
  for (const refused of [forged, 'nonsense']) {
    await assert.rejects(open({ token: refused }), error => !/in \d+ ms/.test(error.message));
  }
  if (IS_OWN_CLIENT) {
    await assert.rejects(open({ token: forged }), /InvalidSignature/);
  }
});

test('reads that wait for the disk, and reads that do not', async () => {
  for (const confirmedReads of [true, false]) {
    const { connection } = await open({ confirmedReads });
    await subscribe(connection, EVERYTHING);
    const text = `confirmed ${confirmedReads} ${randomUUID()}`;
    await inTime(connection.reducers.sendMessage({ text }), 'result');
    assert.ok([...connection.db.message.iter()].some(row => row.text === text));
    connection.disconnect();
  }
});

test('many calls without waiting are answered in order', async () => {
  // Without compression: this client unpacks a compressed frame in the background and hands a
  // small frame behind it, which is not compressed, on at once.
  const { connection } = await open({ compression: 'none' });
  await subscribe(connection, EVERYTHING);
  const tag = randomUUID();
  const texts = Array.from({ length: 200 }, (_, n) => `${tag} ${n}`);
  const seen = [];
  connection.db.message.onInsert((_, row) => {
    if (row.text.startsWith(tag)) {
      seen.push(row.text);
    }
  });
  const calls = texts.map(text => connection.reducers.sendMessage({ text }));
  await inTime(Promise.all(calls), 'results');
  assert.deepEqual(seen, texts);
  connection.disconnect();
});
