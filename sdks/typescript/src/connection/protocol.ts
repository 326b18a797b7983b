// The messages of the protocols v2 and v3, which differ only in how many messages a frame has.
// Rows stay bytes here; `RowList` knows where they are.

import type BinaryReader from '../bsatn/reader.js';
import { RowList } from '../bsatn/row_list.js';
import BinaryWriter from '../bsatn/writer.js';
import { ConnectionId } from '../values/connection_id.js';
import { Identity } from '../values/identity.js';
import { Timestamp } from '../values/time.js';

export const PROTOCOL_V2 = 'v2.bsatn.spacetimedb';
export const PROTOCOL_V3 = 'v3.bsatn.spacetimedb';

/** Several messages go into one frame of v3 as long as it stays this small. */
const FRAME_BYTES_MAX = 256 * 1024;

export type TableRows = { table: string; rows: RowList };

/** Rows that came and rows that went; or, of an event table, events. */
export type TableChange = {
  table: string;
  inserts: RowList | undefined;
  deletes: RowList | undefined;
  events: RowList | undefined;
};

export type QuerySetUpdate = { querySetId: number; changes: TableChange[] };

/** What has come of a call of a reducer. */
export type ReducerOutcome =
  | { tag: 'Ok'; value: { retValue: Uint8Array } }
  | { tag: 'OkEmpty'; value?: unknown }
  | { tag: 'Err'; value: Uint8Array }
  | { tag: 'InternalError'; value: string };

export type ServerMessage =
  | { tag: 'InitialConnection'; identity: Identity; connectionId: ConnectionId; token: string }
  | { tag: 'SubscribeApplied'; querySetId: number; rows: TableRows[] }
  | { tag: 'UnsubscribeApplied'; querySetId: number }
  | { tag: 'SubscriptionError'; querySetId: number; error: string }
  | { tag: 'TransactionUpdate'; querySets: QuerySetUpdate[] }
  | { tag: 'OneOffQueryResult'; requestId: number; rows: TableRows[]; error: string | undefined }
  | {
      tag: 'ReducerResult';
      requestId: number;
      timestamp: Timestamp;
      outcome: ReducerOutcome;
      querySets: QuerySetUpdate[];
    }
  | {
      tag: 'ProcedureResult';
      requestId: number;
      returned: Uint8Array | undefined;
      error: string | undefined;
    };

function readList<T>(reader: BinaryReader, readItem: (reader: BinaryReader) => T): T[] {
  const count = reader.readU32();
  const items: T[] = [];
  // Every item has bytes, so the end of the data bounds this loop.
  for (let at = 0; at < count; at += 1) {
    items.push(readItem(reader));
  }
  return items;
}

function unknownTag(tag: number, of: string): never {
  throw new RangeError(`the tag ${tag} is not that of ${of}`);
}

function readTableRows(reader: BinaryReader): TableRows {
  return { table: reader.readString(), rows: RowList.read(reader) };
}

function readChange(table: string, reader: BinaryReader): TableChange {
  const tag = reader.readU8();
  switch (tag) {
    case 0: {
      const inserts = RowList.read(reader);
      return { table, inserts, deletes: RowList.read(reader), events: undefined };
    }
    case 1:
      return { table, inserts: undefined, deletes: undefined, events: RowList.read(reader) };
    default:
      return unknownTag(tag, 'rows of a table');
  }
}

function readQuerySetUpdate(reader: BinaryReader): QuerySetUpdate {
  const querySetId = reader.readU32();
  const changes: TableChange[] = [];
  for (let tables = reader.readU32(); 0 < tables; tables -= 1) {
    const table = reader.readString();
    for (let updates = reader.readU32(); 0 < updates; updates -= 1) {
      changes.push(readChange(table, reader));
    }
  }
  return { querySetId, changes };
}

function readReducerResult(reader: BinaryReader): ServerMessage {
  const tag = 'ReducerResult';
  const requestId = reader.readU32();
  const timestamp = new Timestamp(reader.readI64());
  const kind = reader.readU8();
  switch (kind) {
    case 0: {
      const outcome = { tag: 'Ok', value: { retValue: reader.readUInt8Array().slice() } } as const;
      return {
        tag,
        requestId,
        timestamp,
        outcome,
        querySets: readList(reader, readQuerySetUpdate),
      };
    }
    case 1:
      return { tag, requestId, timestamp, outcome: { tag: 'OkEmpty' }, querySets: [] };
    case 2: {
      const outcome = { tag: 'Err', value: reader.readUInt8Array().slice() } as const;
      return { tag, requestId, timestamp, outcome, querySets: [] };
    }
    case 3: {
      const outcome = { tag: 'InternalError', value: reader.readString() } as const;
      return { tag, requestId, timestamp, outcome, querySets: [] };
    }
    default:
      return unknownTag(kind, 'the outcome of a reducer');
  }
}

function readOption<T>(reader: BinaryReader, read: (reader: BinaryReader) => T): T | undefined {
  const tag = reader.readU8();
  return tag === 0 ? read(reader) : tag === 1 ? undefined : unknownTag(tag, 'an option');
}

function readOneOffQueryResult(reader: BinaryReader): ServerMessage {
  const requestId = reader.readU32();
  const tag = reader.readU8();
  switch (tag) {
    case 0: {
      const rows = readList(reader, readTableRows);
      return { tag: 'OneOffQueryResult', requestId, rows, error: undefined };
    }
    case 1:
      return { tag: 'OneOffQueryResult', requestId, rows: [], error: reader.readString() };
    default:
      return unknownTag(tag, 'the result of a query');
  }
}

function readProcedureResult(reader: BinaryReader): ServerMessage {
  const tag = reader.readU8();
  if (1 < tag) {
    unknownTag(tag, 'the result of a procedure');
  }
  const returned = tag === 0 ? reader.readUInt8Array().slice() : undefined;
  const error = tag === 0 ? undefined : reader.readString();
  // When it was called and how long it ran.
  reader.skip(16);
  return { tag: 'ProcedureResult', requestId: reader.readU32(), returned, error };
}

export function readServerMessage(reader: BinaryReader): ServerMessage {
  const tag = reader.readU8();
  switch (tag) {
    case 0: {
      const identity = new Identity(reader.readU256());
      const connectionId = new ConnectionId(reader.readU128());
      return { tag: 'InitialConnection', identity, connectionId, token: reader.readString() };
    }
    case 1: {
      reader.skip(4);
      const querySetId = reader.readU32();
      return { tag: 'SubscribeApplied', querySetId, rows: readList(reader, readTableRows) };
    }
    case 2: {
      reader.skip(4);
      const querySetId = reader.readU32();
      readOption(reader, it => readList(it, readTableRows));
      return { tag: 'UnsubscribeApplied', querySetId };
    }
    case 3: {
      readOption(reader, it => it.readU32());
      const querySetId = reader.readU32();
      return { tag: 'SubscriptionError', querySetId, error: reader.readString() };
    }
    case 4:
      return { tag: 'TransactionUpdate', querySets: readList(reader, readQuerySetUpdate) };
    case 5:
      return readOneOffQueryResult(reader);
    case 6:
      return readReducerResult(reader);
    case 7:
      return readProcedureResult(reader);
    default:
      return unknownTag(tag, 'a message');
  }
}

export type Message = Uint8Array<ArrayBuffer>;

export function writeSubscribe(
  requestId: number,
  set: number,
  queries: readonly string[]
): Message {
  const writer = new BinaryWriter(256);
  writer.writeU8(0);
  writer.writeU32(requestId);
  writer.writeU32(set);
  writer.writeU32(queries.length);
  for (const query of queries) {
    writer.writeString(query);
  }
  return writer.toBytes();
}

/** Without asking for the rows that are dropped: it is known here which these are. */
export function writeUnsubscribe(requestId: number, set: number): Message {
  const writer = new BinaryWriter(16);
  writer.writeU8(1);
  writer.writeU32(requestId);
  writer.writeU32(set);
  writer.writeU8(0);
  return writer.toBytes();
}

export function writeOneOffQuery(requestId: number, query: string): Message {
  const writer = new BinaryWriter(256);
  writer.writeU8(2);
  writer.writeU32(requestId);
  writer.writeString(query);
  return writer.toBytes();
}

function writeCall(tag: number, requestId: number, name: string, args: Uint8Array): Message {
  const writer = new BinaryWriter(32 + 3 * name.length + args.length);
  writer.writeU8(tag);
  writer.writeU32(requestId);
  writer.writeU8(0);
  writer.writeString(name);
  writer.writeUInt8Array(args);
  return writer.toBytes();
}

export const writeCallReducer = (requestId: number, name: string, args: Uint8Array): Message =>
  writeCall(3, requestId, name, args);

export const writeCallProcedure = (requestId: number, name: string, args: Uint8Array): Message =>
  writeCall(4, requestId, name, args);

/** Messages as frames of the protocol that was agreed on. */
export function toFrames(messages: readonly Message[], protocol: string): readonly Message[] {
  if (protocol !== PROTOCOL_V3 || messages.length < 2) {
    return messages;
  }
  const frames: Message[] = [];
  let group: Message[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (group.length === 1) {
      frames.push(group[0]!);
    } else if (0 < group.length) {
      const frame = new Uint8Array(bytes);
      let at = 0;
      for (const message of group) {
        frame.set(message, at);
        at += message.length;
      }
      frames.push(frame);
    }
    group = [];
    bytes = 0;
  };
  for (const message of messages) {
    if (FRAME_BYTES_MAX < bytes + message.length) {
      flush();
    }
    group.push(message);
    bytes += message.length;
  }
  flush();
  return frames;
}
