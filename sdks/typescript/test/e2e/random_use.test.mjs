// Random use of several clients at once: overlapping subscriptions that come and go, calls,
// connections that are cut, clients that leave, and a server that is killed.
//
// After every message a client's rows have changed by exactly what its callbacks were told. At
// quiet points they are what the server gives for the queries of the subscriptions, and every
// call has ended once. `RANDOM_SECONDS` makes it longer, `SEED` begins with that seed.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ConnectionLostError, InternalError, SenderError } from 'spacetime-client';

import { DbConnection } from '../bindings/kitchen_sink.mjs';
import { until } from './harness.mjs';
import { OwnServer, cannotStart } from './own_server.mjs';
import { Proxy } from './proxy.mjs';
import { randomNumbers } from './random_numbers.mjs';

const DATABASE = 'random';
const CLIENTS = 3;
const STEPS = 500;
const KILL_EVERY = 140;
const SETS_MAX = 7;
/** What a connection lets through, each way, if it is to be cut. */
const CUT_BYTES = 8000;
/** Marks a row that is put in at a quiet point: who has it has everything before it. */
const FENCE = 'fence';
const FENCE_QUERY = `SELECT * FROM plain WHERE text = '${FENCE}'`;

const skip = cannotStart();
const turn = () => new Promise(resolve => setImmediate(resolve));

function randomQuery(random) {
  const [n, m] = [random(6), random(6)];
  return [
    'SELECT * FROM item',
    `SELECT * FROM item WHERE shelf = ${n}`,
    `SELECT * FROM item WHERE shelf = ${m}`,
    `SELECT * FROM item WHERE shelf < ${n}`,
    `SELECT * FROM item WHERE shelf = ${n} OR owner = ${m}`,
    `SELECT * FROM item WHERE owner = ${n} AND row > ${m}`,
    'SELECT * FROM plain',
    `SELECT * FROM plain WHERE a = ${n}`,
    `SELECT * FROM plain WHERE a < ${n}`,
  ][random(9)];
}

const itemRow = ({ id, shelf, row, name, owner, label }) =>
  [id, shelf, row, name, owner, label].join(' ');
const plainRow = ({ a, text }) => `${a} ${text}`;

/** What callbacks have to be told for the rows to change so. */
function changes(before, after) {
  const told = [];
  for (const [key, old] of before) {
    const now = after.get(key);
    if (now === undefined) {
      told.push(`-${old}`);
    } else if (now !== old) {
      told.push(`${old} > ${now}`);
    }
  }
  for (const [key, row] of after) {
    if (!before.has(key)) {
      told.push(`+${row}`);
    }
  }
  return told.sort();
}

class Person {
  rows = new Map();
  sets = [];
  openCalls = 0;
  calls = 0;
  lostCalls = 0;
  losses = 0;
  #told = [];
  #failures = [];

  static async come(server, random) {
    const person = new Person();
    person.proxy = await new Proxy(server.url).listen();
    person.connection = DbConnection.builder()
      .withUri(person.proxy.url)
      .withDatabaseName(DATABASE)
      .withCompression(['none', 'gzip', 'brotli'][random(3)])
      .withConfirmedReads(random(2) === 0)
      .withReconnect({ delayMs: 1, maxDelayMs: 20 })
      .onReconnecting(() => (person.losses += 1))
      .onDisconnect((_, error) => person.#expect(error === undefined, `ended with ${error}`))
      .build();
    const { item, plain } = person.connection.db;
    const tell = line => person.#told.push(line);
    item.onInsert((_, row) => tell(`+${itemRow(row)}`));
    item.onDelete((_, row) => tell(`-${itemRow(row)}`));
    item.onUpdate((_, old, row) => tell(`${itemRow(old)} > ${itemRow(row)}`));
    plain.onInsert((_, row) => tell(`+${plainRow(row)}`));
    plain.onDelete((_, row) => tell(`-${plainRow(row)}`));
    person.connection.on('message', () => person.look());
    person.subscribe([FENCE_QUERY]);
    return person;
  }

  /** What is thrown in a callback is only logged. */
  #expect(isTrue, failure) {
    if (!isTrue) {
      this.#failures.push(failure);
    }
  }

  cached() {
    const { item, plain } = this.connection.db;
    const rows = new Map();
    for (const row of item.iter()) {
      rows.set(`item ${row.id}`, itemRow(row));
    }
    for (const row of plain.iter()) {
      rows.set(`plain ${plainRow(row)}`, plainRow(row));
    }
    return rows;
  }

  /** Holds the callbacks since the last look against the rows. */
  look() {
    const now = this.cached();
    const told = this.#told.sort();
    const expected = changes(this.rows, now);
    const isSame = told.length === expected.length && told.every((it, at) => it === expected[at]);
    this.#expect(isSame, { told, expected });
    this.#told = [];
    this.rows = now;
  }

  verify() {
    assert.deepEqual(this.#failures, []);
  }

  subscribe(queries) {
    const set = { queries, isLeft: false, applied: 0 };
    set.handle = this.connection
      .subscriptionBuilder()
      .onApplied(() => (set.applied += 1))
      .onError((_, error) => this.#expect(false, `refused: ${error}`))
      .subscribe(queries);
    this.sets.push(set);
  }

  subscribeWrongly() {
    this.connection
      .subscriptionBuilder()
      .onError(() => {})
      .subscribe(['SELECT * FROM item', 'SELECT * FROM nonsense']);
  }

  unsubscribe(random) {
    // Not the first, which has the fence.
    const at = random(this.sets.length);
    const set = this.sets[at];
    if (0 < at && !set.isLeft && set.handle.isActive()) {
      set.isLeft = true;
      // Without a connection the rows go without a message.
      set.handle.unsubscribeThen(() => queueMicrotask(() => this.look()));
    }
  }

  #randomCall(random) {
    const { reducers, db } = this.connection;
    const [n, row, m] = [random(6), random(6), BigInt(random(6))];
    const [text, label] = [`text ${m}`, `label ${random(60)}`];
    const choice = random(12);
    if (choice < 4) {
      return reducers.insertItem({ shelf: n, row, name: 'n', owner: m, label });
    } else if (choice < 6) {
      const item = [...db.item.iter()][random(20)];
      return item === undefined
        ? reducers.fail({ text: 'nothing to change' })
        : reducers.updateItem({ row: { ...item, shelf: n, row } });
    } else if (choice === 6) {
      return reducers.deleteItemByLabel({ label });
    } else if (choice === 7) {
      return reducers.deleteItemsByShelfRange({ from: n, to: n + 1 });
    } else if (choice === 8) {
      return reducers.deleteItemsByOwner({ owner: m });
    }
    return choice < 11
      ? reducers.insertPlain({ a: n, text })
      : reducers.deletePlain({ a: n, text });
  }

  call(random) {
    this.calls += 1;
    this.openCalls += 1;
    const end = error => {
      this.openCalls -= 1;
      this.lostCalls += Number(error instanceof ConnectionLostError);
      const kinds = [ConnectionLostError, SenderError, InternalError];
      this.#expect(!error || kinds.some(kind => error instanceof kind), `a call: ${error}`);
    };
    this.#randomCall(random).then(() => end(), end);
  }

  /** Everything that was begun comes to its end. */
  async settle() {
    this.proxy.plans = [];
    this.proxy.cutAll({ up: Infinity, down: Infinity });
    const isSettled = ({ handle, isLeft }) => (isLeft ? handle.isEnded() : handle.isActive());
    await until(
      () => this.connection.isActive && this.openCalls === 0 && this.sets.every(isSettled),
      'the end of all requests'
    );
    this.verify();
    assert.ok(this.sets.every(({ applied }) => applied === 1));
    this.sets = this.sets.filter(({ isLeft }) => !isLeft);
  }

  async #expected(server) {
    const rows = new Map();
    for (const query of new Set(this.sets.flatMap(({ queries }) => queries))) {
      for (const row of await server.sql(DATABASE, query)) {
        const text = row.join(' ');
        rows.set(row.length === 2 ? `plain ${text}` : `item ${row[0]}`, text);
      }
    }
    return rows;
  }

  /** The rows are the server's. */
  async compare(server, fence) {
    await until(() => this.rows.has(`plain ${fence} ${FENCE}`), 'the fence');
    let differences;
    const asked = Date.now();
    do {
      // A call whose answer was cut off may still run.
      differences = changes(await this.#expected(server), this.rows);
    } while (0 < differences.length && Date.now() < asked + 60_000);
    assert.deepEqual(differences, []);
    this.verify();
  }

  async leave() {
    this.connection.disconnect();
    await until(() => this.connection.hasEnded && this.openCalls === 0, 'the end');
    this.verify();
    await this.proxy.close();
  }
}

class World {
  people = [];
  fence = 0;
  sums = { quietPoints: 0, calls: 0, lostCalls: 0, losses: 0, kills: 0 };

  constructor(server, random) {
    this.server = server;
    this.random = random;
  }

  async quietPoint() {
    for (const person of this.people) {
      await person.settle();
    }
    // A server that was killed may have lost the row.
    await this.server.call(DATABASE, 'delete_plain', [this.fence, FENCE]).catch(() => {});
    this.fence += 1;
    await this.server.call(DATABASE, 'insert_plain', [this.fence, FENCE]);
    for (const person of this.people) {
      await person.compare(this.server, this.fence);
    }
    this.sums.quietPoints += 1;
  }

  async restart() {
    await this.server.kill();
    await this.server.start();
    for (const { proxy } of this.people) {
      proxy.aim(this.server.url);
    }
    this.sums.kills += 1;
  }

  async replace(at) {
    const person = this.people[at];
    await person.settle();
    person.call(this.random);
    await person.leave();
    for (const what of ['calls', 'lostCalls', 'losses']) {
      this.sums[what] += person[what];
    }
    this.people[at] = await Person.come(this.server, this.random);
  }

  async step() {
    const { random } = this;
    const at = random(this.people.length);
    const person = this.people[at];
    const choice = random(100);
    const cut = () => (random(2) ? { up: random(CUT_BYTES) } : { down: random(CUT_BYTES) });
    if (choice < 40) {
      person.call(random);
    } else if (choice < 52 && person.sets.length < SETS_MAX) {
      person.subscribe(Array.from({ length: 1 + random(3) }, () => randomQuery(random)));
    } else if (choice < 60) {
      person.unsubscribe(random);
    } else if (choice < 62) {
      person.subscribeWrongly();
    } else if (choice < 68) {
      person.proxy.cutAll(cut());
    } else if (choice < 70) {
      person.proxy.plans = [cut()];
      person.proxy.cut();
    } else if (choice < 72) {
      person.proxy.cut();
    } else if (choice === 72 && random(3) === 0) {
      await this.replace(at);
    } else if (choice < 77) {
      await this.quietPoint();
    } else {
      for (let turns = random(6); 0 <= turns; turns -= 1) {
        await turn();
      }
    }
  }
}

async function run(seed) {
  const random = randomNumbers(seed);
  const server = await new OwnServer().start();
  try {
    await server.publish(DATABASE, 'kitchen_sink');
    const world = new World(server, random);
    for (let count = 0; count < CLIENTS; count += 1) {
      world.people.push(await Person.come(server, random));
    }
    for (let step = 1; step <= STEPS; step += 1) {
      await world.step();
      if (step % KILL_EVERY === 0) {
        await world.restart();
      }
    }
    await world.quietPoint();
    for (let at = 0; at < CLIENTS; at += 1) {
      await world.replace(at);
    }
    for (const person of world.people) {
      await person.leave();
    }
    return world.sums;
  } finally {
    await server.remove();
  }
}

test('rows are those of the server, whatever happens', { skip }, async t => {
  const first = Number(process.env.SEED ?? 1);
  const end = Date.now() + 1000 * Number(process.env.RANDOM_SECONDS ?? 0);
  let seed = first;
  do {
    try {
      const sums = await run(seed);
      t.diagnostic(`SEED=${seed}: ${JSON.stringify(sums)}`);
      assert.ok(0 < sums.losses, 'nothing was cut');
    } catch (error) {
      error.message += ` (SEED=${seed})`;
      throw error;
    }
    seed += 1;
  } while (Date.now() < end);
});
