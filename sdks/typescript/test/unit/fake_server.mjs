// A server in the test: two tables, and queries that are predicates. It says what the protocol v2
// says, message by message, and only when it is told to.
//
// `item` has a primary key, `log` has none, `tick` is an event table. A query is written as
// `TABLE FROM TO`: the rows whose `n` is from FROM and below TO.

import { BinaryReader, BinaryWriter, t } from 'spacetime-client';

export const ITEM = t.row({ id: t.u32().primaryKey(), n: t.u32(), text: t.string() });
export const LOG = t.row({ n: t.u32(), text: t.string() });
export const TICK = t.row({ n: t.u32() });
const ROW_TYPES = { item: ITEM, log: LOG, tick: TICK };

function bytesOf(write) {
  const writer = new BinaryWriter(64);
  write(writer);
  return writer.toBytes();
}

const encodeRow = (table, row) => bytesOf(writer => ROW_TYPES[table].serialize(writer, row));

function writeRowList(writer, table, rows) {
  const encoded = rows.map(row => encodeRow(table, row));
  if (table === 'tick') {
    writer.writeU8(0);
    writer.writeU16(4);
  } else {
    writer.writeU8(1);
    writer.writeU32(encoded.length);
    let offset = 0n;
    for (const bytes of encoded) {
      writer.writeU64(offset);
      offset += BigInt(bytes.length);
    }
  }
  writer.writeU32(encoded.reduce((sum, bytes) => sum + bytes.length, 0));
  for (const bytes of encoded) {
    writer.writeBytes(bytes);
  }
}

const parseQuery = text => {
  const [table, from, to] = text.split(' ');
  return { table, matches: row => Number(from) <= row.n && row.n < Number(to) };
};

const keyOf = (table, row) => (table === 'item' ? row.id : JSON.stringify(row));

export class FakeServer {
  tables = { item: new Map(), log: new Map() };
  /** Sockets that were opened, the last one last. */
  sockets = [];

  factory = async () => {
    const socket = new FakeSocket(this);
    this.sockets.push(socket);
    return socket;
  };

  get socket() {
    return this.sockets.at(-1);
  }

  rowsOf({ table, matches }) {
    return [...(this.tables[table]?.values() ?? [])].filter(matches);
  }

  /** Changes rows, `undefined` to delete one, and tells every client. */
  commit(changes, ticks = []) {
    const old = [];
    for (const [table, key, row] of changes) {
      old.push([table, this.tables[table].get(key), row]);
      if (row === undefined) {
        this.tables[table].delete(key);
      } else {
        this.tables[table].set(key, row);
      }
    }
    for (const socket of this.sockets) {
      socket.sendUpdate(old, ticks);
    }
  }

  put(table, row) {
    return [table, keyOf(table, row), row];
  }

  remove(table, row) {
    return [table, keyOf(table, row), undefined];
  }
}

export class FakeSocket {
  protocol = 'v2.bsatn.spacetimedb';
  readyState = 0;
  onopen = () => {};
  onclose = () => {};
  onmessage = () => {};
  onerror = () => {};
  /** The queries of each set. */
  sets = new Map();
  /** Calls that wait to be answered: [request id, reducer]. */
  calls = [];
  /** Requests that wait to be handled. */
  requests = [];

  constructor(server) {
    this.server = server;
  }

  open() {
    this.readyState = 1;
    this.onopen();
    this.reply(writer => {
      writer.writeU8(0);
      writer.writeU256(1n);
      writer.writeU128(BigInt(this.server.sockets.length));
      writer.writeString('token');
    });
  }

  /** Ends the connection from the side of the server. */
  cut() {
    if (this.readyState !== 3) {
      this.readyState = 3;
      this.onclose({ code: 1006, reason: '', wasClean: false });
    }
  }

  close() {
    if (this.readyState !== 3) {
      this.readyState = 3;
      queueMicrotask(() => this.onclose({ code: 1000, reason: '', wasClean: true }));
    }
  }

  send(message) {
    this.requests.push(message.slice());
  }

  reply(write) {
    if (this.readyState === 1) {
      this.onmessage({ data: bytesOf(write) });
    }
  }

  /** Handles the oldest request; false if there is none. */
  handleOne() {
    const request = this.requests.shift();
    if (request === undefined || this.readyState !== 1) {
      return false;
    }
    const reader = new BinaryReader(request);
    const tag = reader.readU8();
    const requestId = reader.readU32();
    if (tag === 0) {
      this.#subscribe(requestId, reader);
    } else if (tag === 1) {
      this.#unsubscribe(requestId, reader.readU32());
    } else if (tag === 3) {
      reader.readU8();
      this.calls.push([requestId, reader.readString()]);
    }
    return true;
  }

  handleAll() {
    while (this.handleOne());
  }

  #subscribe(requestId, reader) {
    const set = reader.readU32();
    const count = reader.readU32();
    const texts = Array.from({ length: count }, () => reader.readString());
    if (texts.some(text => text.startsWith('bad'))) {
      this.sendError(set, requestId, 'bad query');
      return;
    }
    const queries = texts.map(parseQuery);
    this.sets.set(set, queries);
    this.reply(writer => {
      writer.writeU8(1);
      writer.writeU32(requestId);
      writer.writeU32(set);
      const stored = queries.filter(query => query.table !== 'tick');
      writer.writeU32(stored.length);
      for (const query of stored) {
        writer.writeString(query.table);
        writeRowList(writer, query.table, this.server.rowsOf(query));
      }
    });
  }

  #unsubscribe(requestId, set) {
    if (!this.sets.delete(set)) {
      this.sendError(set, requestId, 'Subscription not found');
      return;
    }
    this.reply(writer => {
      writer.writeU8(2);
      writer.writeU32(requestId);
      writer.writeU32(set);
      writer.writeU8(1);
    });
  }

  sendError(set, requestId, text) {
    this.sets.delete(set);
    this.reply(writer => {
      writer.writeU8(3);
      writer.writeU8(requestId === undefined ? 1 : 0);
      if (requestId !== undefined) {
        writer.writeU32(requestId);
      }
      writer.writeU32(set);
      writer.writeString(text);
    });
  }

  #updatesOf(changes, ticks) {
    const sets = [];
    for (const [set, queries] of this.sets) {
      const updates = [];
      for (const { table, matches } of queries) {
        const relevant = changes.filter(([changed]) => changed === table);
        const deletes = relevant.map(([, old]) => old).filter(row => row && matches(row));
        const inserts = relevant.map(([, , row]) => row).filter(row => row && matches(row));
        const events = table === 'tick' ? ticks.filter(matches) : [];
        if (0 < deletes.length + inserts.length + events.length) {
          updates.push({ table, inserts, deletes, events });
        }
      }
      if (0 < updates.length) {
        sets.push([set, updates]);
      }
    }
    return sets;
  }

  #writeSets(writer, sets) {
    writer.writeU32(sets.length);
    for (const [set, updates] of sets) {
      writer.writeU32(set);
      writer.writeU32(updates.length);
      for (const { table, inserts, deletes, events } of updates) {
        writer.writeString(table);
        writer.writeU32(1);
        if (table === 'tick') {
          writer.writeU8(1);
          writeRowList(writer, table, events);
        } else {
          writer.writeU8(0);
          writeRowList(writer, table, inserts);
          writeRowList(writer, table, deletes);
        }
      }
    }
  }

  sendUpdate(changes, ticks) {
    const sets = this.#updatesOf(changes, ticks);
    if (0 < sets.length) {
      this.reply(writer => {
        writer.writeU8(4);
        this.#writeSets(writer, sets);
      });
    }
  }

  /** Answers the oldest call: it went well, and changed nothing. */
  answerCall(outcome = 1) {
    const [requestId] = this.calls.shift();
    this.reply(writer => {
      writer.writeU8(6);
      writer.writeU32(requestId);
      writer.writeI64(0n);
      writer.writeU8(outcome);
      if (outcome === 3) {
        writer.writeString('it failed');
      }
    });
  }
}
