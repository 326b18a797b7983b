// The rows of one table that the client has, and who asked for them.
//
// Invariants, between messages:
// - A row is here exactly as long as at least one query of one query set has it. For each row it is
//   known how often each set has it, so a set can be dropped without being told its rows.
// - Rows are found by their primary key, or by all of their bytes where there is none. A row is
//   read from its bytes once for each time that it really changes.
// Within a message, `insert` and `remove` may come in any order; `finish` makes of them what has
// changed from before the message to after it.

import type { AlgebraicType } from '../bsatn/algebraic_type.js';
import { makeDeserializer } from '../bsatn/codec.js';
import { deepEqual, orderOf } from '../bsatn/compare.js';
import {
  type Key,
  type KeyReader,
  binaryString,
  elementKeyReader,
  keyMakerOf,
} from '../bsatn/key.js';
import type BinaryReader from '../bsatn/reader.js';
import type { RowList } from '../bsatn/row_list.js';
import { Range } from '../schema/range.js';
import type { UntypedTableDef } from '../schema/tables.js';
import { type OrderedColumn, OrderedIndex, type Row } from './ordered_index.js';

export type { Row };

const NO_SET = -1;

/** A row, and for whom it is here. */
export class Entry {
  /** How often it is here, over all sets. */
  count = 0;
  /** The set that has it once, as long as no other has; then `many` is undefined. */
  private only = NO_SET;
  private many: Map<number, number> | undefined;

  /** The message that touched it last; what follows is about this message. */
  message = 0;
  before: Row | undefined;
  isRead = false;

  constructor(
    readonly key: Key,
    readonly sequence: number,
    public row: Row
  ) {}

  add(set: number): void {
    this.count += 1;
    if (this.many !== undefined) {
      this.many.set(set, (this.many.get(set) ?? 0) + 1);
    } else if (this.count === 1) {
      this.only = set;
    } else {
      this.many = new Map([[this.only, 1]]);
      this.many.set(set, (this.many.get(set) ?? 0) + 1);
    }
  }

  /** False if the set does not have it. */
  subtract(set: number): boolean {
    if (this.many === undefined) {
      if (this.count === 0 || this.only !== set) {
        return false;
      }
    } else {
      const has = this.many.get(set) ?? 0;
      if (has === 0) {
        return false;
      }
      if (has === 1) {
        this.many.delete(set);
      } else {
        this.many.set(set, has - 1);
      }
    }
    this.count -= 1;
    return true;
  }

  has(set: number): number {
    if (this.many !== undefined) {
      return this.many.get(set) ?? 0;
    }
    return this.count === 1 && this.only === set ? 1 : 0;
  }

  isInserted(): boolean {
    return 0 < this.count && this.before === undefined;
  }

  isUpdated(): boolean {
    return 0 < this.count && this.before !== undefined && this.before !== this.row;
  }

  isDeleted(): boolean {
    return this.count === 0 && this.before !== undefined;
  }
}

type UniqueIndex = { keyOf: (row: Row) => Key; rows: Map<Key, Row> };

export class TableStore {
  readonly rows = new Map<Key, Entry>();
  readonly hasPrimaryKey: boolean;
  readonly isEvent: boolean;
  private readonly readRow: (reader: BinaryReader) => Row;
  private readonly readKey: KeyReader | undefined;
  private readonly primaryKey: { name: string; keyOf: (value: unknown) => Key } | undefined;
  private readonly unique = new Map<string, UniqueIndex>();
  private readonly ordered = new Map<string, OrderedIndex>();
  private touched: Entry[] = [];
  private message = 0;
  private sequence = 0;
  /** How many removals did not find what they remove. */
  inconsistencies = 0;

  constructor(readonly def: UntypedTableDef) {
    const { elements } = def.rowType;
    this.isEvent = def.isEvent === true;
    this.readRow = makeDeserializer({ tag: 'Product', value: def.rowType });
    const at = elements.findIndex(
      element => def.columns[element.name ?? '']?.columnMetadata.isPrimaryKey === true
    );
    this.hasPrimaryKey = 0 <= at;
    if (this.hasPrimaryKey) {
      const { name, algebraicType } = elements[at]!;
      this.readKey = elementKeyReader(elements, at);
      this.primaryKey = { name: name!, keyOf: keyMakerOf(algebraicType) };
    }
  }

  private keyOf(reader: BinaryReader, start: number, end: number): Key {
    if (this.readKey === undefined) {
      return binaryString(reader.bytes, start, end);
    }
    reader.offset = start;
    return this.readKey(reader);
  }

  private read(reader: BinaryReader, start: number, end: number): Row {
    reader.offset = start;
    let row: Row | undefined;
    try {
      row = this.readRow(reader);
    } catch (error) {
      throw new RangeError(this.mismatch(), { cause: error });
    }
    if (reader.offset !== end) {
      throw new RangeError(this.mismatch());
    }
    return row;
  }

  private mismatch(): string {
    return (
      `a row of table ${JSON.stringify(this.def.sourceName)} does not have the type that the ` +
      'bindings give it; generate them again'
    );
  }

  private touch(entry: Entry): void {
    if (entry.message !== this.message) {
      entry.message = this.message;
      entry.before = 0 < entry.count ? entry.row : undefined;
      entry.isRead = false;
      this.touched.push(entry);
    }
  }

  /** Everything between this and `finish` is one message. */
  begin(): void {
    this.message += 1;
  }

  insertAll(set: number, reader: BinaryReader, list: RowList): void {
    let start = list.startOf(0);
    for (let at = 0; at < list.count; at += 1) {
      const end = list.startOf(at + 1);
      this.insert(set, reader, start, end);
      start = end;
    }
  }

  removeAll(set: number, reader: BinaryReader, list: RowList): void {
    let start = list.startOf(0);
    for (let at = 0; at < list.count; at += 1) {
      const end = list.startOf(at + 1);
      this.remove(set, reader, start, end);
      start = end;
    }
  }

  readAll(reader: BinaryReader, list: RowList): Row[] {
    const rows: Row[] = [];
    for (let at = 0; at < list.count; at += 1) {
      rows.push(this.read(reader, list.startOf(at), list.startOf(at + 1)));
    }
    return rows;
  }

  private insert(set: number, reader: BinaryReader, start: number, end: number): void {
    const key = this.keyOf(reader, start, end);
    let entry = this.rows.get(key);
    if (entry === undefined) {
      entry = new Entry(key, (this.sequence += 1), this.read(reader, start, end));
      this.rows.set(key, entry);
      this.touch(entry);
      entry.isRead = true;
    } else {
      this.touch(entry);
      // Without a primary key the row is its key, and the same as before.
      if (this.hasPrimaryKey && !entry.isRead) {
        entry.row = this.read(reader, start, end);
        entry.isRead = true;
      }
    }
    entry.add(set);
  }

  private remove(set: number, reader: BinaryReader, start: number, end: number): void {
    const entry = this.rows.get(this.keyOf(reader, start, end));
    if (entry === undefined) {
      this.inconsistencies += 1;
      return;
    }
    this.touch(entry);
    if (!entry.subtract(set)) {
      this.inconsistencies += 1;
    }
  }

  /** Takes a whole set out. */
  dropSet(set: number): void {
    for (const entry of this.rows.values()) {
      for (let count = entry.has(set); 0 < count; count -= 1) {
        this.touch(entry);
        entry.subtract(set);
      }
    }
  }

  /**
   * Brings rows and indexes to the state after the message. What has changed is in the entries
   * until `forget` is called.
   */
  finish(): Entry[] {
    const { touched } = this;
    this.touched = [];
    for (const entry of touched) {
      if (entry.count === 0) {
        this.rows.delete(entry.key);
      } else if (entry.before !== undefined && entry.row !== entry.before) {
        // The same row for another query, or one that was changed back. It stays the same object.
        if (deepEqual(entry.before, entry.row)) {
          entry.row = entry.before;
        }
      }
    }
    if (0 < this.unique.size || 0 < this.ordered.size) {
      this.moveIndexes(touched);
    }
    return touched;
  }

  /** Lets go of what the rows were before. */
  static forget(touched: readonly Entry[]): void {
    for (const entry of touched) {
      entry.before = undefined;
    }
  }

  /** First everything goes, then everything comes: a unique value may change hands. */
  private moveIndexes(touched: readonly Entry[]): void {
    const changed = touched.filter(it => it.isInserted() || it.isUpdated() || it.isDeleted());
    for (const { before, sequence } of changed) {
      if (before !== undefined) {
        for (const { keyOf, rows } of this.unique.values()) {
          rows.delete(keyOf(before));
        }
        for (const index of this.ordered.values()) {
          index.remove(before, sequence);
        }
      }
    }
    for (const { row, count, sequence } of changed) {
      if (0 < count) {
        for (const { keyOf, rows } of this.unique.values()) {
          rows.set(keyOf(row), row);
        }
        for (const index of this.ordered.values()) {
          index.add(row, sequence);
        }
      }
    }
  }

  /** The row whose unique columns have these values. */
  find(columns: readonly string[], values: readonly unknown[]): Row | undefined {
    const { primaryKey } = this;
    if (columns.length === 1 && columns[0] === primaryKey?.name) {
      return this.rows.get(primaryKey!.keyOf(values[0]))?.row;
    }
    const name = columns.join();
    let index = this.unique.get(name);
    if (index === undefined) {
      index = this.makeUniqueIndex(columns);
      this.unique.set(name, index);
    }
    const probe = Object.fromEntries(columns.map((column, at) => [column, values[at]]));
    return index.rows.get(index.keyOf(probe));
  }

  private typeOf(column: string): AlgebraicType {
    return this.def.columns[column]!.typeBuilder.algebraicType;
  }

  private makeUniqueIndex(columns: readonly string[]): UniqueIndex {
    const keys = columns.map(column => keyMakerOf(this.typeOf(column)));
    const product: AlgebraicType = {
      tag: 'Product',
      value: {
        elements: columns.map(name => ({ name, algebraicType: this.typeOf(name) })),
      },
    };
    const keyOf =
      columns.length === 1 ? (row: Row) => keys[0]!(row[columns[0]!]) : keyMakerOf(product);
    const rows = new Map<Key, Row>();
    for (const { row } of this.rows.values()) {
      rows.set(keyOf(row), row);
    }
    return { keyOf, rows };
  }

  /** The rows whose first columns of these have these values, or are in this range. */
  filter(columns: readonly string[], bounds: readonly unknown[]): Generator<Row, undefined> {
    const name = columns.join();
    let index = this.ordered.get(name);
    if (index === undefined) {
      const ordered: OrderedColumn[] = [];
      for (const column of columns) {
        const order = orderOf(this.typeOf(column));
        if (order === undefined) {
          return this.search(columns, bounds);
        }
        ordered.push({ name: column, order });
      }
      const rows = Array.from(this.rows.values(), ({ row, sequence }): [Row, number] => [
        row,
        sequence,
      ]);
      index = new OrderedIndex(ordered, rows);
      this.ordered.set(name, index);
    }
    return index.filter(bounds);
  }

  /** The same without an index, for values that have no order here. */
  private *search(
    columns: readonly string[],
    bounds: readonly unknown[]
  ): Generator<Row, undefined> {
    if (bounds.some(bound => bound instanceof Range)) {
      throw new TypeError(`a range of ${columns.join(', ')} cannot be searched: use equal values`);
    }
    for (const { row } of this.rows.values()) {
      if (bounds.every((bound, at) => deepEqual(row[columns[at]!], bound))) {
        yield row;
      }
    }
    return undefined;
  }

  /**
   * Takes the place of `older`, which had the rows of another connection. Returns what differs as
   * if one message had changed it. Rows that are equal stay the same objects.
   */
  replace(older: TableStore): Entry[] {
    const changed: Entry[] = [];
    for (const entry of this.rows.values()) {
      const before = older.rows.get(entry.key)?.row;
      entry.before = before;
      if (before !== undefined && (!this.hasPrimaryKey || deepEqual(before, entry.row))) {
        entry.row = before;
      } else {
        changed.push(entry);
      }
    }
    for (const gone of older.rows.values()) {
      if (!this.rows.has(gone.key)) {
        const entry = new Entry(gone.key, gone.sequence, gone.row);
        entry.before = gone.row;
        changed.push(entry);
      }
    }
    for (const entry of this.rows.values()) {
      if (entry.before === entry.row) {
        entry.before = undefined;
      }
    }
    return changed;
  }

  rowsOfSet(set: number): Row[] {
    const rows: Row[] = [];
    for (const entry of this.rows.values()) {
      if (0 < entry.has(set)) {
        rows.push(entry.row);
      }
    }
    return rows;
  }

  *iterate(): Generator<Row, undefined> {
    for (const entry of this.rows.values()) {
      yield entry.row;
    }
    return undefined;
  }
}
