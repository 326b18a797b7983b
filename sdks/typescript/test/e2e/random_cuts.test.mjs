// A long conversation over connections that are cut at random places, again and again: nothing is
// missing, nothing comes twice, and what did not change is never gone. `SEED=n` cuts at the same
// places again.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';

import { ConnectionLostError } from 'spacetime-client';

import { DbConnection, tables } from '../bindings/kitchen_sink.mjs';
import { KITCHEN_SINK_DATABASE, SERVER_URL, connect, subscribe, until } from './harness.mjs';
import { Proxy } from './proxy.mjs';
import { randomNumbers } from './random_numbers.mjs';

const CUTS = 40;
const LASTING = 20;
/** Of the others there are not more, or no connection would see the end of its first rows. */
const PASSING_MAX = 20;
/** What a connection lets through, each way; its beginning alone is some hundred bytes. */
const BYTES_DOWN_MAX = 10_000;
const BYTES_UP_MAX = 3000;
const RUN_MS_MAX = 240_000;

/** What callbacks alone say that the table has. What they throw would only be logged. */
class Mirror {
  rows = new Map();
  violations = [];

  constructor(connection, lasting) {
    const { item } = connection.db;
    const expect = (isTrue, violation) => isTrue || this.violations.push(violation);
    item.onInsert((_, row) => {
      expect(!this.rows.has(row.id), `${row.label} came twice`);
      this.rows.set(row.id, row);
    });
    item.onUpdate((_, old, row) => {
      expect(this.rows.get(old.id)?.label === old.label, `${old.label} was another before`);
      this.rows.set(row.id, row);
    });
    item.onDelete((_, row) => {
      expect(!lasting.has(row.label), `${row.label} was gone`);
      expect(this.rows.delete(row.id), `${row.label} went twice`);
    });
  }

  labels() {
    return Array.from(this.rows.values(), row => row.label).sort();
  }
}

const labelsOf = connection => Array.from(connection.db.item.iter(), row => row.label).sort();

test('a conversation over connections that are cut', { timeout: RUN_MS_MAX }, async t => {
  const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const below = randomNumbers(seed);
  const owner = BigInt(1_000_000 + seed);
  const insert = (connection, label) =>
    connection.reducers.insertItem({ shelf: 1, row: 0, name: 'n', owner, label });
  const mine = tables.item.where(row => row.owner.eq(owner));
  const { connection: other } = await connect(DbConnection, KITCHEN_SINK_DATABASE);
  const lasting = new Set();
  for (let at = 0; at < LASTING; at += 1) {
    const label = `lasting ${seed} ${at}`;
    await insert(other, label);
    lasting.add(label);
  }
  await subscribe(other, [mine]);

  const proxy = await new Proxy(SERVER_URL).listen();
  for (let at = 0; at < CUTS; at += 1) {
    const down = below(2) === 0;
    proxy.plans.push(down ? { down: below(BYTES_DOWN_MAX) } : { up: below(BYTES_UP_MAX) });
  }
  const errors = [];
  const connection = DbConnection.builder()
    .withUri(proxy.url)
    .withDatabaseName(KITCHEN_SINK_DATABASE)
    .withReconnect({ delayMs: 1, maxDelayMs: 5 })
    .onDisconnect((_, error) => errors.push(error))
    .build();
  const mirror = new Mirror(connection, lasting);
  await subscribe(connection, [mine]);
  assert.deepEqual(mirror.labels(), [...lasting].sort());

  // Both write; of each call of the one that is cut it is known what may have become of it.
  const certain = new Set(lasting);
  const possible = new Set();
  const passing = [];
  let losses = 0;
  for (let turn = 0; proxy.connections <= CUTS; turn += 1) {
    const label = `cut ${seed} ${turn}`;
    const calls = [
      insert(connection, label).then(
        () => {
          certain.add(label);
          passing.push(label);
        },
        error => {
          assert.ok(error instanceof ConnectionLostError, String(error));
          losses += 1;
          if (error.wasSent) {
            possible.add(label);
          }
        }
      ),
    ];
    const ours = [...other.db.item.iter()].filter(row => row.label.startsWith('other'));
    if (ours.length < 5 || below(3) === 0) {
      const label = `other ${seed} ${turn}`;
      calls.push(insert(other, label).then(() => certain.add(label)));
    } else {
      const row = ours[below(ours.length)];
      certain.delete(row.label);
      if (below(2) === 0) {
        calls.push(other.reducers.deleteItemByLabel({ label: row.label }));
      } else {
        const label = `other ${seed} ${turn} changed`;
        const changed = { ...row, label };
        calls.push(other.reducers.updateItem({ row: changed }).then(() => certain.add(label)));
      }
    }
    if (PASSING_MAX < passing.length) {
      const label = passing.shift();
      certain.delete(label);
      calls.push(other.reducers.deleteItemByLabel({ label }));
    }
    await Promise.all(calls);
    assert.deepEqual(mirror.labels(), labelsOf(connection), 'callbacks and rows differ');
  }

  // The last connection stays.
  const { connection: judge } = await connect(DbConnection, KITCHEN_SINK_DATABASE);
  await subscribe(judge, [mine]);
  const truth = labelsOf(judge);
  await until(() => mirror.labels().join() === truth.join(), 'the same rows as another client has');
  assert.deepEqual(labelsOf(connection), truth);
  const unexpected = truth.filter(label => !certain.has(label) && !possible.has(label));
  assert.deepEqual(unexpected, [], 'what was not sent was executed');
  const missing = [...certain].filter(label => !truth.includes(label));
  assert.deepEqual(missing, [], 'what was confirmed is not there');
  assert.deepEqual(mirror.violations, []);
  assert.deepEqual(errors, []);
  assert.ok(0 < losses, 'no cut hit a call');
  t.diagnostic(`${proxy.connections} connections, ${losses} calls lost, ${truth.length} rows`);

  connection.disconnect();
  await other.reducers.deleteItemsByOwner({ owner });
  other.disconnect();
  judge.disconnect();
  await proxy.close();
});
