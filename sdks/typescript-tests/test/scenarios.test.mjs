// The scenarios that all clients run, in every language: `sdks/conformance/scenarios.json`.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { SenderError } from '#sdk';

import { DbConnection } from '../bindings/kitchen_sink.mjs';
import { KITCHEN_SINK_DATABASE, connect } from './harness.mjs';

const WAIT_MS_MAX = 60_000;
const OWNER = 7n;

const file = new URL('../../conformance/scenarios.json', import.meta.url);
const scenarios = JSON.parse(readFileSync(file, 'utf8'));

const KINDS = {
  Reducer: 'reducer',
  Transaction: 'transaction',
  SubscribeApplied: 'applied',
  UnsubscribeApplied: 'unsubscribed',
};
const kindOf = context => KINDS[context.event.tag] ?? context.event.tag;

/** What a call in a scenario means for the reducer. */
const CALLS = {
  insert_item: ({ reducers }, shelf, label) =>
    reducers.insertItem({ shelf, row: 0, name: 'a name', owner: OWNER, label }),
  update_item: ({ reducers, db }, old, shelf, label) => {
    const row = [...db.item.iter()].find(it => it.label === old);
    return reducers.updateItem({ row: { ...row, shelf, label } });
  },
  delete_item_by_label: ({ reducers }, label) => reducers.deleteItemByLabel({ label }),
  delete_items_by_owner: ({ reducers }, owner) =>
    reducers.deleteItemsByOwner({ owner: BigInt(owner) }),
  emit_hits: ({ reducers }, target, count) => reducers.emitHits({ target, count }),
  emit_hit_and_fail: ({ reducers }, target) => reducers.emitHitAndFail({ target }),
  fail: ({ reducers }, text) => reducers.fail({ text }),
  panic_now: ({ reducers }, text) => reducers.panicNow({ text }),
};

/** One connection, and what its callbacks have said since somebody looked. */
class Client {
  seen = [];
  handles = new Map();

  static async connect() {
    const client = new Client();
    const { connection } = await connect(DbConnection, KITCHEN_SINK_DATABASE, {
      onDisconnect: () => client.seen.push('closed'),
    });
    client.connection = connection;
    const { item, hit } = connection.db;
    item.onInsert((ctx, row) => client.seen.push(`+${row.label} ${kindOf(ctx)}`));
    item.onDelete((ctx, row) => client.seen.push(`-${row.label} ${kindOf(ctx)}`));
    item.onUpdate((ctx, old, row) => client.seen.push(`${old.label}>${row.label} ${kindOf(ctx)}`));
    hit.onInsert((ctx, row) =>
      client.seen.push(`hit ${row.target} ${row.strength} ${kindOf(ctx)}`)
    );
    return client;
  }

  subscribe(name, queries) {
    const handle = this.connection
      .subscriptionBuilder()
      .onApplied(() => this.seen.push(`applied ${name}`))
      .onError(() => this.seen.push(`refused ${name}`))
      .subscribe(queries);
    this.handles.set(name, handle);
  }

  unsubscribe(name) {
    this.handles.get(name).unsubscribeThen(() => this.seen.push(`ended ${name}`));
  }

  call(reducer, ...args) {
    CALLS[reducer](this.connection, ...args).then(
      () => this.seen.push(`${reducer} ok`),
      error => {
        const outcome = error instanceof SenderError ? `error: ${error.message}` : 'failure';
        this.seen.push(`${reducer} ${outcome}`);
      }
    );
  }

  async see(expected, inOrder) {
    const end = Date.now() + WAIT_MS_MAX;
    while (this.seen.length < expected.length && Date.now() < end) {
      await new Promise(resolve => setTimeout(resolve, 2));
    }
    // What comes too much comes soon.
    await new Promise(resolve => setTimeout(resolve, 20));
    const order = list => (inOrder ? list : [...list].sort());
    assert.deepEqual(order(this.seen), order(expected));
    this.seen = [];
  }
}

for (const { name, steps } of scenarios) {
  test(name, async () => {
    const clients = new Map();
    const cleaner = await connect(DbConnection, KITCHEN_SINK_DATABASE);
    await cleaner.connection.reducers.deleteItemsByOwner({ owner: OWNER });
    for (const [step, who, ...rest] of steps) {
      const client = clients.get(who);
      switch (step) {
        case 'connect':
          clients.set(who, await Client.connect());
          break;
        case 'disconnect':
          client.connection.disconnect();
          break;
        case 'subscribe':
          client.subscribe(...rest);
          break;
        case 'unsubscribe':
          client.unsubscribe(...rest);
          break;
        case 'call':
          client.call(...rest);
          break;
        case 'see':
        case 'see in order':
          await client.see(rest[0], step === 'see in order');
          break;
        case 'rows': {
          const labels = [...client.connection.db.item.iter()].map(row => row.label);
          assert.deepEqual(labels.sort(), [...rest[0]].sort());
          break;
        }
        default:
          assert.fail(`no such step: ${step}`);
      }
    }
    for (const { connection } of [...clients.values(), cleaner]) {
      connection.disconnect();
    }
  });
}
