// Connections that are lost: what the user sees of it, cut at every byte.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer, connect as dial } from 'node:net';
import { after, before, test } from 'node:test';

import { ConnectionLostError } from 'spacetime-client';

import { DbConnection, tables } from '../bindings/chat.mjs';
import { CHAT_DATABASE, SERVER_URL, connect, inTime, subscribe, until } from './harness.mjs';
import { Proxy } from './proxy.mjs';

const FAST = { delayMs: 5, maxDelayMs: 20 };

let proxy;
before(async () => {
  proxy = await new Proxy(SERVER_URL).listen();
});
after(() => proxy.close());

const throughProxy = adjust =>
  connect(DbConnection, CHAT_DATABASE, {
    url: proxy.url,
    adjust: builder => adjust(builder.withReconnect(FAST)),
  });

/** Everything that callbacks report of a table, as text. */
function record(table) {
  const seen = [];
  table.onInsert((ctx, row) => seen.push(`${ctx.event.tag} + ${row.text ?? row.name}`));
  table.onDelete((ctx, row) => seen.push(`${ctx.event.tag} - ${row.text ?? row.name}`));
  return seen;
}

test('a lost connection comes back, and only what has changed is reported', async () => {
  const events = [];
  const { connection, identity, token } = await throughProxy(builder =>
    builder
      .onReconnecting((ctx, error) => {
        assert.ok(!ctx.isActive);
        events.push(`lost: ${error.name}`);
      })
      .onReconnected(conn => events.push(`back: ${conn.isActive}`))
      .onConnect(() => events.push('connected'))
      .onDisconnect(() => events.push('disconnected'))
  );
  const other = await connect(DbConnection, CHAT_DATABASE);
  const tag = randomUUID();
  await other.connection.reducers.sendMessage({ text: `${tag} 1` });
  await other.connection.reducers.setName({ name: `${tag} before` });
  await subscribe(connection, ['SELECT * FROM user', 'SELECT * FROM message']);
  const messages = connection.db.message;
  const users = connection.db.user;
  const kept = [...messages.iter()].find(row => row.text === `${tag} 1`);
  const count = messages.count();
  let least = count;
  const inserted = [];
  const renamed = [];
  messages.onInsert((ctx, row) => {
    inserted.push([ctx.event.tag, row.text]);
  });
  messages.onDelete(() => assert.fail('no message is ever deleted'));
  users.onDelete(() => assert.fail('no user is ever deleted'));
  users.onUpdate((_, old, row) => renamed.push([old.name, row.name]));
  const watch = setInterval(() => {
    least = messages.count() < least ? messages.count() : least;
  }, 0);

  proxy.isDown = true;
  proxy.cut();
  await until(() => !connection.isActive, 'the loss');
  assert.equal(messages.count(), count, 'rows can be read while the connection is lost');
  await other.connection.reducers.sendMessage({ text: `${tag} 2` });
  await other.connection.reducers.setName({ name: `${tag} after` });
  await until(() => 2 <= events.filter(it => it.startsWith('lost')).length, 'a failed attempt');
  assert.equal(inserted.length, 0);
  proxy.isDown = false;
  await until(() => events.at(-1) === 'back: true', 'the reconnection');
  clearInterval(watch);

  assert.deepEqual(inserted, [['SubscribeApplied', `${tag} 2`]]);
  assert.deepEqual(
    renamed.filter(([, now]) => now === `${tag} after`),
    [[`${tag} before`, `${tag} after`]]
  );
  assert.equal(least, count, 'rows were gone for a moment');
  const same = [...messages.iter()].find(row => row.text === `${tag} 1`);
  assert.equal(same, kept, 'a row that did not change is the same object');
  assert.ok(connection.identity.isEqual(identity));
  assert.equal(connection.token, token);
  assert.equal(events.filter(it => it === 'connected').length, 1);

  // It is live again.
  await other.connection.reducers.sendMessage({ text: `${tag} 3` });
  await until(() => inserted.length === 2, 'a message after the reconnection');
  assert.deepEqual(inserted[1], ['Transaction', `${tag} 3`]);
  connection.disconnect();
  await until(() => events.at(-1) === 'disconnected', 'the end');
  other.connection.disconnect();
});

test('subscriptions that begin and end while the connection is lost', async () => {
  const { connection } = await throughProxy(builder => builder);
  const tag = randomUUID();
  for (const n of [1, 2]) {
    await connection.reducers.sendMessage({ text: `${tag} ${n}` });
  }
  const one = tables.message.where(row => row.text.eq(`${tag} 1`));
  const two = tables.message.where(row => row.text.eq(`${tag} 2`));
  const first = await subscribe(connection, [one]);
  const seen = record(connection.db.message);
  proxy.isDown = true;
  proxy.cut();
  await until(() => !connection.isActive, 'the loss');
  const ended = inTime(new Promise(resolve => first.unsubscribeThen(resolve)), 'the end');
  const applied = subscribe(connection, [two]);
  await ended;
  assert.ok(first.isEnded());
  assert.deepEqual(seen, [`UnsubscribeApplied - ${tag} 1`]);
  proxy.isDown = false;
  const second = await applied;
  assert.deepEqual(seen.slice(1), [`SubscribeApplied + ${tag} 2`]);
  assert.ok(second.isActive());
  connection.disconnect();
});

test('calls: those on the way are lost and said to be, the others are sent later', async () => {
  const { connection } = await throughProxy(builder => builder);
  const tag = randomUUID();
  await subscribe(connection, ['SELECT * FROM message']);
  const lost = connection.reducers.sendMessage({ text: `${tag} on the way` });
  await new Promise(resolve => queueMicrotask(resolve));
  proxy.isDown = true;
  proxy.cut();
  await assert.rejects(lost, error => error instanceof ConnectionLostError && error.wasSent);
  const later = connection.reducers.sendMessage({ text: `${tag} later` });
  proxy.isDown = false;
  await inTime(later, 'result of the later call');
  assert.ok([...connection.db.message.iter()].some(row => row.text === `${tag} later`));
  connection.disconnect();
  await assert.rejects(
    connection.reducers.sendMessage({ text: 'too late' }),
    error => error instanceof ConnectionLostError && !error.wasSent
  );
});

test('without reconnecting, the end is the end, and pending calls are rejected', async () => {
  let end;
  const ended = new Promise(resolve => {
    end = (_, error) => resolve(error);
  });
  const { connection } = await connect(DbConnection, CHAT_DATABASE, {
    url: proxy.url,
    adjust: builder => builder.onDisconnect(end),
  });
  await subscribe(connection, ['SELECT * FROM user']);
  const users = connection.db.user.count();
  const pending = connection.reducers.sendMessage({ text: 'pending' });
  await new Promise(resolve => queueMicrotask(resolve));
  proxy.cut();
  await assert.rejects(pending, ConnectionLostError);
  assert.ok((await inTime(ended, 'the end')) instanceof Error);
  assert.ok(!connection.isActive);
  assert.equal(connection.db.user.count(), users);
});

test('giving up after the last attempt', async () => {
  let end;
  const ended = new Promise(resolve => {
    end = (_, error) => resolve(error);
  });
  let losses = 0;
  await connect(DbConnection, CHAT_DATABASE, {
    url: proxy.url,
    adjust: builder =>
      builder
        .withReconnect({ ...FAST, maxAttempts: 3 })
        .onReconnecting(() => (losses += 1))
        .onDisconnect(end),
  });
  proxy.isDown = true;
  proxy.cut();
  assert.ok((await inTime(ended, 'the end')) instanceof Error);
  assert.equal(losses, 3);
  proxy.isDown = false;
});

/** How many bytes go each way in one run that is not cut. */
async function bytesOfOneRun(run) {
  const sizes = { up: 0, down: 0 };
  const target = new URL(SERVER_URL);
  const server = createServer(client => {
    const upstream = dial(Number(target.port), target.hostname);
    client.on('data', chunk => {
      sizes.up += chunk.length;
      upstream.write(chunk);
    });
    upstream.on('data', chunk => {
      sizes.down += chunk.length;
      client.write(chunk);
    });
    for (const [one, two] of [
      [client, upstream],
      [upstream, client],
    ]) {
      one.on('error', () => {});
      one.on('close', () => two.destroy());
    }
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  await run(`http://127.0.0.1:${server.address().port}`);
  await new Promise(resolve => server.close(resolve));
  return sizes;
}

/**
 * Connects, subscribes to what no other client touches, and calls; the first connection is cut
 * somewhere. Whatever happens, in the end the table is what the server has.
 */
async function oneRun(url) {
  const tag = randomUUID();
  let connection;
  const connected = new Promise(resolve => {
    connection = DbConnection.builder()
      .withUri(url)
      .withDatabaseName(CHAT_DATABASE)
      .withReconnect(FAST)
      .onConnect(resolve)
      .build();
  });
  const mine = tables.message.where(row => row.text.eq(tag));
  const live = [];
  connection.db.message.onInsert((_, row) => live.push(row));
  connection.db.message.onDelete(() => assert.fail('nothing is deleted'));
  const applied = subscribe(connection, [mine]);
  let lost;
  await connection.reducers.sendMessage({ text: tag }).catch(error => {
    assert.ok(error instanceof ConnectionLostError, String(error));
    assert.ok(error.wasSent);
    lost = error;
  });
  await inTime(connected, 'connection');
  await applied;
  await until(() => connection.isActive, 'connection');
  // The cut may hit this as well; the next connection is not cut.
  const rows = await connection.oneOffQuery(mine).catch(() => connection.oneOffQuery(mine));
  // A call is executed once or not at all; if its result came, it was executed.
  assert.ok(rows.length === 1 || (rows.length === 0 && lost !== undefined));
  await until(() => Number(connection.db.message.count()) === rows.length, 'the rows');
  assert.equal(live.length, rows.length);
  connection.disconnect();
  return lost !== undefined;
}

for (const direction of ['down', 'up']) {
  test(`connections cut at every byte (${direction})`, { timeout: 240_000 }, async () => {
    const bytes = (await bytesOfOneRun(oneRun))[direction];
    assert.ok(200 < bytes);
    const step = Number(process.env.CUT_STEP ?? 1);
    const cuts = [];
    for (let at = 0; at <= bytes; at += step) {
      cuts.push(at);
    }
    let losses = 0;
    const worker = async () => {
      const mine = await new Proxy(SERVER_URL).listen();
      for (let at = cuts.pop(); at !== undefined; at = cuts.pop()) {
        mine.plans = [{ [direction]: at }];
        try {
          losses += Number(await oneRun(mine.url));
        } catch (error) {
          error.message += ` (cut at byte ${at} of ${bytes})`;
          throw error;
        }
      }
      await mine.close();
    };
    await Promise.all(Array.from({ length: 40 }, worker));
    assert.ok(0 < losses || 1 < step, 'no cut hit a call');
  });
}
