// Every type of value, to the server and back, with the kitchen-sink module.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  ConnectionId,
  Identity,
  InternalError,
  ScheduleAt,
  SenderError,
  TimeDuration,
  Timestamp,
  Uuid,
} from '#sdk';

import { DbConnection } from '../bindings/kitchen_sink.mjs';
import { KITCHEN_SINK_DATABASE, connect, inTime, next, subscribe } from './harness.mjs';

const open = options => connect(DbConnection, KITCHEN_SINK_DATABASE, options);

let lastId = Math.floor(Date.now() / 1000) - 1_700_000_000;
const freshId = () => (lastId += 1);

const LOWEST = {
  flag: false,
  int8: -128,
  uint8: 0,
  int16: -32768,
  uint16: 0,
  int32: -2147483648,
  uint32: 0,
  int64: -(2n ** 63n),
  uint64: 0n,
  int128: -(2n ** 127n),
  uint128: 0n,
  int256: -(2n ** 255n),
  uint256: 0n,
  float32: -3.4028234663852886e38,
  float64: -Number.MAX_VALUE,
};

const HIGHEST = {
  flag: true,
  int8: 127,
  uint8: 255,
  int16: 32767,
  uint16: 65535,
  int32: 2147483647,
  uint32: 4294967295,
  int64: 2n ** 63n - 1n,
  uint64: 2n ** 64n - 1n,
  int128: 2n ** 127n - 1n,
  uint128: 2n ** 128n - 1n,
  int256: 2n ** 255n - 1n,
  uint256: 2n ** 256n - 1n,
  float32: Infinity,
  float64: 5e-324,
};

test('numbers of every width arrive, change and go as they were sent', async () => {
  const { connection } = await open();
  const numbers = connection.db.number;
  const id = freshId();
  await subscribe(connection, `SELECT * FROM number WHERE id = ${id}`);

  const insertion = next(f => numbers.onInsert(f), 'insertion');
  await inTime(connection.reducers.insertNumber({ row: { id, ...LOWEST } }), 'result');
  assert.deepEqual((await insertion)[1], { id, ...LOWEST });

  const change = next(f => numbers.onUpdate(f), 'change');
  await inTime(connection.reducers.updateNumber({ row: { id, ...HIGHEST } }), 'result');
  const [, before, after] = await change;
  assert.deepEqual(
    [before, after],
    [
      { id, ...LOWEST },
      { id, ...HIGHEST },
    ]
  );

  const deletion = next(f => numbers.onDelete(f), 'deletion');
  await inTime(connection.reducers.deleteNumber({ id }), 'result');
  assert.deepEqual((await deletion)[1], { id, ...HIGHEST });
  assert.equal(numbers.count(), 0n);
  connection.disconnect();
});

test('text, lists, sums and special types arrive as they were sent', async () => {
  const { connection, identity } = await open();
  const id = freshId();
  const row = {
    id,
    text: 'caf\u00e9 \u{1f980} \u0000 end',
    bytes: new Uint8Array([0, 1, 255]),
    words: ['', 'a', 'b'.repeat(100_000)],
    longs: [0n, 2n ** 64n - 1n],
    floats: [0, -1.5, Infinity],
    flags: [true, false],
    color: { tag: 'Blue', value: {} },
    size: { width: 1, height: 2 },
    shape: { tag: 'Group', value: [{ width: 3, height: 4 }] },
    nested: {
      label: 'nested',
      sizes: [],
      shape: { tag: 'Circle', value: 0.5 },
      color: { tag: 'Green', value: {} },
      maybeShape: { tag: 'Nothing', value: {} },
      // Not an error: version 2.10.1 of the client encodes it with the type of the success.
      outcome: { ok: { width: 5, height: 6 } },
    },
    empty: {},
    maybeInt: -7,
    maybeText: undefined,
    maybeMaybe: 3,
    outcome: { ok: 5 },
    identity,
    connection: connection.connectionId,
    moment: new Timestamp(-1n),
    span: new TimeDuration(-1_000_000n),
    uuid: Uuid.parse('01234567-89ab-4def-8123-456789abcdef'),
    due: ScheduleAt.interval(1_000_000n),
    listOfLists: [[], [1, 65535]],
  };
  await subscribe(connection, `SELECT * FROM composite WHERE id = ${id}`);
  const insertion = next(f => connection.db.composite.onInsert(f), 'insertion');
  await inTime(connection.reducers.insertComposite({ row }), 'result');
  const [, arrived] = await insertion;
  assert.ok(arrived.identity instanceof Identity && arrived.identity.isEqual(identity));
  assert.ok(arrived.connection instanceof ConnectionId);
  assert.ok(arrived.connection.isEqual(connection.connectionId));
  assert.equal(arrived.uuid.toString(), row.uuid.toString());
  assert.equal(arrived.moment.microsSinceUnixEpoch, -1n);
  assert.equal(arrived.span.micros, -1_000_000n);
  assert.deepEqual(arrived, row);
  connection.disconnect();
});

test('a row larger than a page arrives whole', async () => {
  const { connection } = await open();
  const a = freshId();
  await subscribe(connection, `SELECT * FROM plain WHERE a = ${a}`);
  const insertion = next(f => connection.db.plain.onInsert(f), 'insertion');
  await inTime(connection.reducers.insertBigRow({ a, textBytes: 1_000_000 }), 'result');
  const [, row] = await insertion;
  assert.equal(row.text, 'x'.repeat(1_000_000));
  const deletion = next(f => connection.db.plain.onDelete(f), 'deletion');
  await inTime(connection.reducers.deletePlain({ a, text: row.text }), 'result');
  await deletion;
  connection.disconnect();
});

test('events are seen and not kept', async () => {
  const { connection } = await open();
  const target = freshId();
  await subscribe(connection, 'SELECT * FROM hit');
  const strengths = [];
  connection.db.hit.onInsert((_, row) => {
    if (row.target === target) {
      strengths.push(row.strength);
    }
  });
  await inTime(connection.reducers.emitHits({ target, count: 3 }), 'result');
  assert.deepEqual(strengths.sort(), [0, 1, 2]);
  assert.equal(connection.db.hit.count(), 0n);
  connection.disconnect();
});

test("an error is the sender's, a panic is internal, and the database goes on", async () => {
  const { connection } = await open();
  const { reducers } = connection;
  await assert.rejects(
    inTime(reducers.fail({ text: 'as told' }), 'result'),
    error => error instanceof SenderError && error.message === 'as told'
  );
  await assert.rejects(
    inTime(reducers.panicNow({ text: 'as told' }), 'result'),
    error => error instanceof InternalError
  );
  await inTime(reducers.insertPlain({ a: freshId(), text: 'still here' }), 'result');
  connection.disconnect();
});

test('the error of a result arrives from the module', async () => {
  const { connection } = await open();
  // Odd samples have errors; this one has not been taken yet.
  const first = 2 * freshId() + 1;
  await subscribe(connection, `SELECT * FROM composite WHERE id = ${first}`);
  const insertion = next(f => connection.db.composite.onInsert(f), 'insertion');
  await inTime(connection.reducers.insertSamples({ first, count: 1 }), 'result');
  const [, row] = await insertion;
  assert.deepEqual(row.outcome, { err: `error ${first}` });
  assert.deepEqual(row.nested.outcome, { err: 'odd' });
  connection.disconnect();
});

test('a module that turns a client away closes its connection with the reason', async () => {
  const { connection } = await open();
  await inTime(connection.reducers.closeDoor({ reason: 'not today' }), 'result');
  try {
    await assert.rejects(open(), { name: 'ClosedBeforeConnect', code: 1008, message: /not today/ });
  } finally {
    await inTime(connection.reducers.openDoor(), 'result');
  }
  const again = await open();
  again.connection.disconnect();
  connection.disconnect();
});
