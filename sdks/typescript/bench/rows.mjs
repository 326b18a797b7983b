// What a row costs a client: the bytes of first rows, updates and deletes are made beforehand and
// handed to this client and to the official one, each in a process of its own, in turns. Printed is
// the median of the rounds in nanoseconds of CPU time a row (find: a call). `npm run bench`.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROWS = Number(process.env.ROWS ?? 50_000);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const ROWS_A_MESSAGE = 1000;
const FINDS = 200;
const PACKAGES = { own: 'spacetime-client', official: 'spacetimedb' };

async function measure(packageName) {
  const sdk = await import(packageName);
  const { BinaryWriter, Identity, t, table, schema } = sdk;
  const entity = {
    id: t.u64().primaryKey(),
    owner: t.identity(),
    x: t.f32(),
    y: t.f32(),
    hits: t.u32(),
    name: t.string(),
  };
  const plain = { n: t.u32(), text: t.string() };
  const types = { entity: t.row(entity), plain: t.row(plain) };
  const keyless = name => ({ name, indexes: [], constraints: [] });
  const indexes = [{ accessor: 'id', name: 'i', algorithm: 'btree', columns: ['id'] }];
  const constraints = [{ name: 'c', constraint: 'unique', columns: ['id'] }];
  const tables = schema({
    entity: table({ name: 'entity', indexes, constraints }, types.entity),
    plain: table(keyless('plain'), types.plain),
  });
  const module = {
    versionInfo: { cliVersion: '2.10.1' },
    tables: tables.schemaType.tables,
    reducers: sdk.reducers().reducersType.reducers,
    ...sdk.procedures(),
  };
  const bytesOf = write => {
    const writer = new BinaryWriter(256);
    write(writer);
    return writer.getBuffer().slice();
  };
  const owner = new Identity(0x1234567890abcdefn ** 3n);
  const rowOf = {
    entity: (id, round) => ({
      id: BigInt(id),
      owner,
      x: id,
      y: round,
      hits: round,
      name: `entity ${id}`,
    }),
    plain: (id, round) => ({ n: id, text: `row ${id} of ${round}` }),
  };
  const listOf = (name, from, to, round) => writer => {
    const rows = [];
    for (let id = from; id < to; id += 1) {
      rows.push(bytesOf(it => types[name].serialize(it, rowOf[name](id, round))));
    }
    writer.writeU8(1);
    writer.writeU32(rows.length);
    let offset = 0n;
    for (const row of rows) {
      writer.writeU64(offset);
      offset += BigInt(row.length);
    }
    writer.writeU32(Number(offset));
    for (const row of rows) {
      for (const byte of row) {
        writer.writeU8(byte);
      }
    }
  };
  const update = (name, inserts, deletes) =>
    bytesOf(writer => {
      writer.writeU8(4);
      writer.writeU32(1);
      writer.writeU32(set[name]);
      writer.writeU32(1);
      writer.writeString(name);
      writer.writeU32(1);
      writer.writeU8(0);
      inserts(writer);
      deletes(writer);
    });
  const none = writer => {
    writer.writeU8(1);
    writer.writeU32(0);
    writer.writeU32(0);
  };

  // A socket that says what it is told to.
  let socket;
  const sent = [];
  const factory = async () => {
    socket = {
      protocol: 'v2.bsatn.spacetimedb',
      readyState: 1,
      send: bytes => sent.push(bytes.slice()),
      close: () => {},
      set onopen(handler) {
        this.open = handler;
      },
      set onmessage(handler) {
        this.message = handler;
      },
      set onclose(_) {},
      set onerror(_) {},
    };
    return socket;
  };
  class Connection extends sdk.DbConnectionImpl {}
  const connection = new sdk.DbConnectionBuilder(module, config => new Connection(config))
    .withUri('http://localhost:1')
    .withDatabaseName('bench')
    .withWSFn(factory)
    .build();
  const turn = () => new Promise(resolve => setTimeout(resolve, 5));
  await turn();
  socket.open();
  const deliver = data => socket.message({ data });
  deliver(
    bytesOf(writer => {
      writer.writeU8(0);
      writer.writeU256(1n);
      writer.writeU128(1n);
      writer.writeString('token');
    })
  );
  const set = {};
  const result = {};
  for (const name of ['entity', 'plain']) {
    let applied = false;
    new sdk.SubscriptionBuilderImpl(connection)
      .onApplied(() => (applied = true))
      .subscribe(`SELECT * FROM ${name}`);
    await turn();
    const request = sent.at(-1);
    set[name] = new DataView(request.buffer, request.byteOffset).getUint32(5, true);
    let calls = 0;
    connection.db[name].onInsert(() => (calls += 1));
    connection.db[name].onDelete(() => (calls += 1));
    connection.db[name].onUpdate?.(() => (calls += 1));
    const first = bytesOf(writer => {
      writer.writeU8(1);
      writer.writeU32(1);
      writer.writeU32(set[name]);
      writer.writeU32(1);
      writer.writeString(name);
      listOf(name, 0, ROWS, 0)(writer);
    });
    const updates = [];
    const deletes = [];
    for (let from = 0; from < ROWS; from += ROWS_A_MESSAGE) {
      const to = from + ROWS_A_MESSAGE;
      updates.push(update(name, listOf(name, from, to, 1), listOf(name, from, to, 0)));
      deletes.push(update(name, none, listOf(name, from, to, 1)));
    }
    const time = async (what, run, count = ROWS) => {
      globalThis.gc?.();
      const before = process.cpuUsage();
      run();
      const { user, system } = process.cpuUsage(before);
      result[`${name} ${what}`] = ((user + system) * 1000) / count;
      await turn();
    };
    await time('insert', () => deliver(first));
    if (!applied || Number(connection.db[name].count()) !== ROWS) {
      throw new Error(`${packageName} did not take the rows`);
    }
    await time('update', () => updates.forEach(deliver));
    if (Number(connection.db[name].count()) !== ROWS) {
      throw new Error(`${packageName} did not take the updates`);
    }
    if (name === 'entity') {
      await time(
        'find',
        () => {
          for (let id = 0; id < FINDS; id += 1) {
            const wanted = BigInt((id * 7919) % ROWS);
            if (connection.db.entity.id.find(wanted)?.id !== wanted) {
              throw new Error(`${packageName} did not find a row`);
            }
          }
        },
        FINDS
      );
    }
    await time('delete', () => deletes.forEach(deliver));
    if (Number(connection.db[name].count()) !== 0 || calls < 3 * ROWS) {
      throw new Error(`${packageName} did not take the deletes`);
    }
  }
  return result;
}

const median = numbers => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

if (process.argv[2] !== undefined) {
  console.log(JSON.stringify(await measure(process.argv[2])));
  process.exit(0);
}
const rounds = { own: [], official: [] };
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [who, name] of Object.entries(PACKAGES)) {
    const flags = ['--expose-gc', fileURLToPath(import.meta.url), name];
    const output = execFileSync(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
    rounds[who].push(JSON.parse(String(output).trim().split('\n').at(-1)));
  }
}
console.log(`${ROWS} rows, medians of ${ROUNDS} rounds, ns of CPU a row, Node ${process.version}`);
console.log('what             this client   official');
for (const what of Object.keys(rounds.own[0])) {
  const [own, official] = ['own', 'official'].map(who => median(rounds[who].map(it => it[what])));
  const columns = [own, official].map(it => String(Math.round(it)).padStart(11));
  console.log(`${what.padEnd(16)} ${columns.join(' ')}`);
}
