// Tables, against a model: random transactions, overlapping subscriptions that come and go and
// fail, connections that are lost at any moment. After every step the tables are what the
// subscriptions ask for, the callbacks have told exactly that, and indexes find what a search does.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  DbConnectionBuilder,
  DbConnectionImpl,
  Range,
  procedures,
  reducerSchema,
  reducers,
  schema,
  t,
  table,
} from 'spacetime-client';

import { FakeServer, ITEM, LOG, TICK } from './fake_server.mjs';

const btree = (accessor, columns) => ({ accessor, name: accessor, algorithm: 'btree', columns });

const tablesSchema = schema({
  item: table(
    {
      name: 'item',
      indexes: [btree('id', ['id']), btree('byN', ['n', 'text']), btree('byText', ['text', 'id'])],
      constraints: [
        { name: 'key', constraint: 'unique', columns: ['id'] },
        { name: 'both', constraint: 'unique', columns: ['text', 'id'] },
      ],
    },
    ITEM
  ),
  log: table({ name: 'log', indexes: [btree('byN', ['n'])], constraints: [] }, LOG),
  tick: table({ name: 'tick', indexes: [], constraints: [], event: true }, TICK),
});

const MODULE = {
  versionInfo: { cliVersion: '2.10.1' },
  tables: tablesSchema.schemaType.tables,
  reducers: reducers(reducerSchema('act', { n: t.u32() })).reducersType.reducers,
  ...procedures(),
};

/** How many random runs there are; more of them on demand. */
const RUNS = Number(process.env.MODEL_RUNS ?? 20);

const SHORT = { delayMs: 0, maxDelayMs: 0 };

function open(server, adjust = builder => builder) {
  return adjust(
    new DbConnectionBuilder(MODULE, config => new DbConnectionImpl(config))
      .withUri('http://localhost:1')
      .withDatabaseName('fake')
      .withWSFn(server.factory)
  ).build();
}

/** Lets everything happen that is due. */
async function settle() {
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise(resolve => setTimeout(resolve, 1));
  }
}

async function opened(server, adjust) {
  const connection = open(server, adjust);
  await settle();
  server.socket.open();
  return connection;
}

/** Rows as callbacks tell of them. A callback that does not fit is an error. */
class Replica {
  rows = new Map();
  /** How often callbacks have told of a row, since this was emptied. */
  told = new Map();

  #tell(key) {
    this.told.set(key, (this.told.get(key) ?? 0) + 1);
  }

  constructor(table, keyOf) {
    table.onInsert((_, row) => {
      this.#tell(keyOf(row));
      assert.ok(!this.rows.has(keyOf(row)), 'inserted twice');
      this.rows.set(keyOf(row), row);
    });
    table.onDelete((_, row) => {
      this.#tell(keyOf(row));
      assert.deepEqual(this.rows.get(keyOf(row)), row, 'deleted without being there');
      this.rows.delete(keyOf(row));
    });
    table.onUpdate((_, old, row) => {
      this.#tell(keyOf(row));
      assert.equal(keyOf(old), keyOf(row));
      assert.deepEqual(this.rows.get(keyOf(old)), old, 'updated from what it was not');
      assert.notDeepEqual(old, row, 'updated without a change');
      this.rows.set(keyOf(row), row);
    });
  }
}

function generator(seed) {
  let state = seed >>> 0;
  return below => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 13), 0x297a2d39) >>> 0;
    return Math.floor((mixed / 2 ** 32) * below);
  };
}

const TEXTS = ['a', 'b', '\u00e9', '\uffff', '\u{10000}', 'b\u{10000}'];
const compareUtf8 = (left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right));

function checkIndexes(connection, random) {
  const { item, log } = connection.db;
  const rows = [...item.iter()];
  const id = random(12);
  const wanted = rows.find(row => row.id === id) ?? null;
  assert.equal(item.id.find(id), wanted);
  const text = TEXTS[random(TEXTS.length)];
  assert.equal(item.byText.find([text, id]), wanted?.text === text ? wanted : null);
  const n = random(20);
  const ids = iterator => [...iterator].map(row => row.id).sort((a, b) => a - b);
  const search = matches =>
    rows
      .filter(matches)
      .map(row => row.id)
      .sort((a, b) => a - b);
  assert.deepEqual(
    ids(item.byN.filter(n)),
    search(row => row.n === n)
  );
  assert.deepEqual(
    ids(item.byN.filter([n, text])),
    search(row => row.n === n && row.text === text)
  );
  const high = n + random(5);
  const range = new Range({ tag: 'included', value: n }, { tag: 'excluded', value: high });
  const inRange = [...item.byN.filter(range)];
  assert.deepEqual(
    ids(inRange),
    search(row => n <= row.n && row.n < high)
  );
  const sorted = inRange.toSorted?.((a, b) => a.n - b.n || compareUtf8(a.text, b.text)) ?? inRange;
  assert.deepEqual(
    inRange.map(row => [row.n, row.text]),
    sorted.map(row => [row.n, row.text])
  );
  const above = new Range({ tag: 'excluded', value: text }, { tag: 'unbounded' });
  assert.deepEqual(
    ids(item.byN.filter([n, above])),
    search(row => row.n === n && 0 < compareUtf8(row.text, text))
  );
  assert.equal([...log.byN.filter(n)].length, [...log.iter()].filter(row => row.n === n).length);
}

function check(server, connection, replicas, sets) {
  for (const name of ['item', 'log']) {
    const expected = new Map();
    for (const set of sets) {
      for (const query of set.parsed) {
        if (query.table === name) {
          for (const row of server.rowsOf(query)) {
            expected.set(replicas[name].keyOf(row), row);
          }
        }
      }
    }
    const actual = new Map();
    for (const row of connection.db[name].iter()) {
      actual.set(replicas[name].keyOf(row), row);
    }
    const inOrder = map => [...map].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
    assert.deepEqual(inOrder(actual), inOrder(expected), `table ${name}`);
    assert.deepEqual(
      inOrder(replicas[name].replica.rows),
      inOrder(expected),
      `callbacks of ${name}`
    );
    assert.equal(connection.db[name].count(), BigInt(expected.size));
  }
}

async function run(seed, steps, withLosses) {
  const random = generator(seed);
  const server = new FakeServer();
  const connection = await opened(server, builder => builder.withReconnect(SHORT));
  const byId = row => row.id;
  const byAll = row => JSON.stringify(row);
  const replicas = {
    item: { keyOf: byId, replica: new Replica(connection.db.item, byId) },
    log: { keyOf: byAll, replica: new Replica(connection.db.log, byAll) },
  };
  let sets = [];
  const randomRow = name =>
    name === 'item'
      ? { id: random(12), n: random(20), text: TEXTS[random(TEXTS.length)] }
      : { n: random(20), text: TEXTS[random(3)] };
  const actions = {
    commit() {
      const changes = new Map();
      for (let count = random(5); 0 <= count; count -= 1) {
        const name = random(2) ? 'item' : 'log';
        const row = randomRow(name);
        const change = random(3) ? server.put(name, row) : server.remove(name, row);
        const old = server.tables[name].get(change[1]);
        // A transaction has only net changes.
        if (JSON.stringify(old) !== JSON.stringify(change[2])) {
          changes.set(`${name} ${change[1]}`, change);
        }
      }
      server.commit([...changes.values()]);
    },
    async subscribe() {
      const texts = Array.from({ length: 1 + random(3) }, () => {
        const from = random(20);
        return `${random(2) ? 'item' : 'log'} ${from} ${from + random(12)}`;
      });
      const set = { parsed: [] };
      set.handle = connection
        .subscriptionBuilder()
        .onApplied(() => {
          set.parsed = set.queries;
          // The rows are there before anybody hears of it.
          for (const query of set.queries) {
            for (const row of server.rowsOf(query)) {
              const rows = [...connection.db[query.table].iter()];
              assert.ok(
                rows.some(
                  it => replicas[query.table].keyOf(it) === replicas[query.table].keyOf(row)
                )
              );
            }
          }
        })
        .subscribe(texts);
      set.queries = texts.map(text => {
        const [name, from, to] = text.split(' ');
        return { table: name, matches: row => Number(from) <= row.n && row.n < Number(to) };
      });
      sets.push(set);
    },
    async unsubscribe() {
      const set = sets[random(sets.length)];
      if (set?.handle.isActive()) {
        set.handle.unsubscribeThen(() => {
          sets = sets.filter(it => it !== set);
        });
      }
    },
    async fail() {
      const set = sets[random(sets.length)];
      const { readyState, sets: known } = server.socket;
      if (set?.handle.isActive() && readyState === 1 && known.has(set.handle.querySetId)) {
        set.handle.onError.push(() => {});
        server.socket.sendError(set.handle.querySetId, undefined, 'it failed');
        sets = sets.filter(it => it !== set);
      }
    },
    async lose() {
      if (!withLosses) {
        return;
      }
      server.socket.cut();
      for (let count = random(6); 0 < count; count -= 1) {
        await pick();
      }
      await settle();
      if (random(3) === 0) {
        server.socket.cut();
        await settle();
      }
      // Sometimes it is lost again before all subscriptions have their rows.
      if (random(2) === 0) {
        server.socket.open();
        await settle();
        server.socket.handleOne();
        server.socket.cut();
        for (let count = random(4); 0 < count; count -= 1) {
          await pick();
        }
        await settle();
      }
      // What has changed in the meantime is told at once: no row goes and comes back.
      for (const { replica } of Object.values(replicas)) {
        replica.told.clear();
      }
      server.socket.open();
      await settle();
      server.socket.handleAll();
      for (const { replica } of Object.values(replicas)) {
        for (const [key, times] of replica.told) {
          assert.equal(times, 1, `${times} callbacks for the row ${key}`);
        }
      }
    },
  };
  const pick = async () => {
    const choice = random(10);
    await actions[
      choice < 5 ? 'commit' : choice < 7 ? 'subscribe' : choice < 9 ? 'unsubscribe' : 'fail'
    ]();
  };
  for (let step = 0; step < steps; step += 1) {
    if (random(8) === 0) {
      await actions.lose();
    } else {
      await pick();
    }
    await settle();
    server.socket.handleAll();
    await settle();
    server.socket.handleAll();
    check(server, connection, replicas, sets);
    checkIndexes(connection, random);
  }
  connection.disconnect();
  return Object.values(replicas).reduce((sum, it) => sum + it.replica.rows.size, 0);
}

test('random transactions and overlapping subscriptions', async () => {
  await Promise.all(Array.from({ length: RUNS }, (_, seed) => run(seed + 1, 60, false)));
});

test('the same with connections that are lost', async () => {
  await Promise.all(Array.from({ length: RUNS }, (_, seed) => run(seed + 10_001, 60, true)));
});

test('a row that moves from one query to another causes no callback', async () => {
  const server = new FakeServer();
  server.commit([server.put('item', { id: 1, n: 1, text: 'a' })]);
  const connection = await opened(server);
  const seen = [];
  connection.db.item.onInsert((ctx, row) => seen.push(['insert', ctx.event.tag, row.n]));
  connection.db.item.onDelete((_, row) => seen.push(['delete', row.n]));
  connection.db.item.onUpdate((_, old, row) => seen.push(['update', old.n, row.n]));
  connection.subscriptionBuilder().subscribe(['item 0 5']);
  connection.subscriptionBuilder().subscribe(['item 5 10']);
  await settle();
  server.socket.handleAll();
  server.commit([server.put('item', { id: 1, n: 7, text: 'a' })]);
  server.commit([server.put('item', { id: 1, n: 12, text: 'a' })]);
  assert.deepEqual(seen, [
    ['insert', 'SubscribeApplied', 1],
    ['update', 1, 7],
    ['delete', 7],
  ]);
  connection.disconnect();
});

test('events are told and not kept, each of them', async () => {
  const server = new FakeServer();
  const connection = await opened(server);
  const seen = [];
  connection.db.tick.onInsert((_, row) => seen.push(row.n));
  connection.subscriptionBuilder().subscribe(['tick 0 10']);
  await settle();
  server.socket.handleAll();
  server.commit([], [{ n: 1 }, { n: 1 }, { n: 11 }]);
  assert.deepEqual(seen, [1, 1]);
  assert.equal(connection.db.tick.count(), 0n);
  connection.disconnect();
});

test('callbacks see all tables changed, and what they throw stops nothing', async () => {
  const server = new FakeServer();
  const connection = await opened(server);
  connection.subscriptionBuilder().subscribe(['item 0 10', 'log 0 10']);
  await settle();
  server.socket.handleAll();
  const seen = [];
  const error = console.error;
  let logged = 0;
  console.error = () => (logged += 1);
  connection.db.item.onInsert(() => {
    seen.push(['item', connection.db.log.count(), connection.db.item.count()]);
    throw new Error('of a user');
  });
  const second = () => seen.push(['second']);
  connection.db.item.onInsert(second);
  connection.db.log.onInsert(() => seen.push(['log']));
  server.commit([
    server.put('item', { id: 1, n: 1, text: 'a' }),
    server.put('log', { n: 1, text: 'x' }),
  ]);
  console.error = error;
  assert.deepEqual(seen, [['item', 1n, 1n], ['second'], ['log']]);
  assert.equal(logged, 1);
  connection.db.item.removeOnInsert(second);
  connection.disconnect();
});

test('what cannot be read is an error of the connection, and leaves the tables', async () => {
  const server = new FakeServer();
  let failure;
  const connection = await opened(server, builder =>
    builder.withReconnect(SHORT).onDisconnect((_, error) => (failure = error))
  );
  connection.subscriptionBuilder().subscribe(['item 0 10']);
  await settle();
  server.socket.handleAll();
  server.commit([server.put('item', { id: 1, n: 1, text: 'a' })]);
  const pending = connection.reducers.act({ n: 1 });
  await settle();
  server.socket.onmessage({ data: new Uint8Array([4, 1, 0, 0]) });
  await assert.rejects(pending, { name: 'ConnectionLostError' });
  assert.equal(failure.name, 'ProtocolError');
  assert.ok(connection.hasEnded, 'trying again would bring the same message');
  assert.equal(connection.db.item.count(), 1n);
});

test('a delete of what is not there is left out, with a warning', async () => {
  const server = new FakeServer();
  const connection = await opened(server);
  connection.subscriptionBuilder().subscribe(['item 0 10']);
  await settle();
  server.socket.handleAll();
  const warn = console.warn;
  let warnings = 0;
  console.warn = () => (warnings += 1);
  server.socket.sendUpdate([['item', { id: 5, n: 1, text: 'a' }, undefined]], []);
  console.warn = warn;
  assert.equal(warnings, 1);
  server.commit([server.put('item', { id: 1, n: 1, text: 'a' })]);
  assert.equal(connection.db.item.count(), 1n);
  connection.disconnect();
});

test('calls settle by their results, wherever the connection is', async () => {
  const server = new FakeServer();
  const connection = open(server, builder => builder.withReconnect(SHORT));
  const early = connection.reducers.act({ n: 1 });
  await assert.rejects(connection.reducers.act({ n: -1 }), /n: .*u32/);
  await settle();
  server.socket.open();
  await settle();
  server.socket.handleAll();
  server.socket.answerCall();
  await early;
  const failing = connection.reducers.act({ n: 2 });
  await settle();
  server.socket.handleAll();
  server.socket.answerCall(3);
  await assert.rejects(failing, { name: 'InternalError', message: 'it failed' });
  server.socket.cut();
  const waiting = connection.reducers.act({ n: 3 });
  const dropped = connection.reducers.act({ n: 4 });
  await settle();
  // What was not sent is not lost.
  server.socket.cut();
  await settle();
  server.socket.open();
  await settle();
  server.socket.handleAll();
  server.socket.answerCall();
  await waiting;
  connection.disconnect();
  await settle();
  await assert.rejects(dropped, { name: 'ConnectionLostError', wasSent: true });
});

test('calls that wait for a connection are bounded', async () => {
  const server = new FakeServer();
  const connection = open(server, builder => builder.withReconnect(SHORT));
  const calls = Array.from({ length: 16_385 }, (_, n) => connection.reducers.act({ n }));
  await assert.rejects(calls.at(-1), { name: 'ConnectionLostError', wasSent: false });
  connection.disconnect();
  await assert.rejects(calls[0], { name: 'ConnectionLostError', wasSent: false });
});

test('a subscription that ends while the connection is lost takes its rows along', async () => {
  const server = new FakeServer();
  server.commit([
    server.put('item', { id: 1, n: 1, text: 'a' }),
    server.put('item', { id: 2, n: 15, text: 'b' }),
  ]);
  const connection = await opened(server, builder => builder.withReconnect(SHORT));
  connection.subscriptionBuilder().subscribe(['item 10 20']);
  const second = connection.subscriptionBuilder().subscribe(['item 0 10']);
  await settle();
  server.socket.handleAll();
  const kept = connection.db.item.id.find(2);
  const gone = [];
  connection.db.item.onDelete((ctx, row) => gone.push([ctx.event.tag, row.id]));
  server.socket.cut();
  await settle();
  // Lost again while the rows are being fetched anew.
  server.socket.open();
  await settle();
  server.socket.handleOne();
  server.socket.cut();
  await settle();
  assert.equal(connection.db.item.count(), 2n);
  second.unsubscribe();
  await settle();
  assert.deepEqual(gone, [['UnsubscribeApplied', 1]]);
  assert.equal(connection.db.item.count(), 1n);
  server.socket.open();
  await settle();
  server.socket.handleAll();
  assert.deepEqual([...connection.db.item.iter()], [{ id: 2, n: 15, text: 'b' }]);
  assert.equal(connection.db.item.id.find(2), kept, 'a row that did not change is the same object');
  assert.equal(gone.length, 1);
  connection.disconnect();
});
