// From messages to rows: which tables a message changes, and who is told. While the rows of a new
// connection are collected, they go into tables of their own; those that the user sees stay as they
// were until all subscriptions have their rows again, and then change once.

import type BinaryReader from '../bsatn/reader.js';
import type { RowList } from '../bsatn/row_list.js';
import { type Entry, TableStore } from '../cache/table_store.js';
import { type ClientCache, TableCacheImpl } from '../cache/table_cache.js';
import type { Row } from '../cache/ordered_index.js';
import { stdbLogger } from '../logger.js';
import type { QuerySetUpdate, TableRows } from './protocol.js';

/** What one message has changed, in the order of its tables. */
export class RowChanges {
  readonly tables: { table: TableCacheImpl; touched: Entry[] }[] = [];
  readonly events: { table: TableCacheImpl; rows: Row[] }[] = [];

  /** Calls the row callbacks, then lets go of old rows. */
  report(context: unknown): void {
    for (const { table, touched } of this.tables) {
      TableCacheImpl.report(table, context, touched);
    }
    for (const { table, rows } of this.events) {
      TableCacheImpl.reportEvents(table, context, rows);
    }
    for (const { touched } of this.tables) {
      TableStore.forget(touched);
    }
  }
}

/** Fills tables; what has changed in them is known after `finish`. */
class Filling {
  private readonly changed = new Map<TableCacheImpl, TableStore>();
  private readonly events: RowChanges['events'] = [];

  constructor(
    private readonly rows: SubscribedRows,
    private readonly reader: BinaryReader
  ) {}

  private begin(name: string): TableStore | undefined {
    const found = this.rows.find(name);
    if (found === undefined) {
      return undefined;
    }
    const [table, store] = found;
    if (!this.changed.has(table)) {
      store.begin();
      this.changed.set(table, store);
    }
    return store;
  }

  insert(set: number, tables: readonly TableRows[]): void {
    for (const { table, rows } of tables) {
      const store = this.begin(table);
      if (store !== undefined && !store.isEvent) {
        this.rows.noteTable(set, table);
        store.insertAll(set, this.reader, rows);
      }
    }
  }

  update(querySets: readonly QuerySetUpdate[]): void {
    for (const { querySetId, changes } of querySets) {
      for (const { table, inserts, deletes, events } of changes) {
        const store = this.begin(table);
        if (store === undefined) {
          continue;
        }
        // First what goes: then a row that only changes is never counted twice.
        if (deletes !== undefined) {
          store.removeAll(querySetId, this.reader, deletes);
        }
        const inserted = inserts ?? events;
        if (store.isEvent && inserted !== undefined) {
          const found = this.rows.find(table)![0];
          this.events.push({ table: found, rows: store.readAll(this.reader, inserted) });
        } else if (inserts !== undefined) {
          this.rows.noteTable(querySetId, table);
          store.insertAll(querySetId, this.reader, inserts);
        }
      }
    }
  }

  dropSet(set: number): void {
    for (const name of this.rows.takeTables(set)) {
      this.begin(name)?.dropSet(set);
    }
  }

  finish(isVisible: boolean): RowChanges {
    const changes = new RowChanges();
    changes.events.push(...this.events);
    for (const [table, store] of this.changed) {
      const touched = store.finish();
      if (0 < store.inconsistencies) {
        const count = store.inconsistencies;
        store.inconsistencies = 0;
        stdbLogger('warn', `${count} rows went that table ${store.def.sourceName} did not have`);
      }
      if (isVisible) {
        changes.tables.push({ table, touched });
      } else {
        TableStore.forget(touched);
      }
    }
    return changes;
  }
}

export class SubscribedRows {
  /** The tables that are being filled anew, while that is so. */
  private fresh: Map<string, TableStore> | undefined;
  /** In which tables a set has ever had rows. */
  private tablesOfSets = new Map<number, Set<string>>();
  /** The same for what the user sees, while tables are filled anew. */
  private tablesBefore = this.tablesOfSets;
  private readonly unknownTables = new Set<string>();

  constructor(private readonly cache: ClientCache) {}

  find(name: string): [TableCacheImpl, TableStore] | undefined {
    const table = this.cache.get(name);
    if (table === undefined) {
      if (!this.unknownTables.has(name)) {
        this.unknownTables.add(name);
        stdbLogger('warn', `the bindings do not know table ${name}; its rows are left out`);
      }
      return undefined;
    }
    if (this.fresh === undefined) {
      return [table, TableCacheImpl.storeOf(table)];
    }
    let store = this.fresh.get(name);
    if (store === undefined) {
      store = new TableStore(TableCacheImpl.storeOf(table).def);
      this.fresh.set(name, store);
    }
    return [table, store];
  }

  /** Rows that do not go into tables. */
  readAll(name: string, reader: BinaryReader, list: RowList): Row[] {
    const found = this.find(name);
    if (found === undefined) {
      throw new RangeError(`the bindings do not know table ${name}`);
    }
    return found[1].readAll(reader, list);
  }

  /** The rows of a table, as the user sees it, that one set has. */
  rowsOfSet(name: string, set: number): Row[] {
    const table = this.cache.get(name);
    return table === undefined ? [] : TableCacheImpl.storeOf(table).rowsOfSet(set);
  }

  noteTable(set: number, table: string): void {
    let tables = this.tablesOfSets.get(set);
    if (tables === undefined) {
      tables = new Set();
      this.tablesOfSets.set(set, tables);
    }
    tables.add(table);
  }

  takeTables(set: number): Iterable<string> {
    const tables = this.tablesOfSets.get(set) ?? [];
    this.tablesOfSets.delete(set);
    return tables;
  }

  insert(reader: BinaryReader, set: number, tables: readonly TableRows[]): RowChanges {
    const filling = new Filling(this, reader);
    filling.insert(set, tables);
    return filling.finish(this.fresh === undefined);
  }

  update(reader: BinaryReader, querySets: readonly QuerySetUpdate[]): RowChanges {
    const filling = new Filling(this, reader);
    filling.update(querySets);
    return filling.finish(this.fresh === undefined);
  }

  dropSet(reader: BinaryReader, set: number): RowChanges {
    const filling = new Filling(this, reader);
    filling.dropSet(set);
    return filling.finish(this.fresh === undefined);
  }

  /** From here on everything goes into new tables. */
  beginAgain(): void {
    this.abandon();
    this.fresh = new Map();
    this.tablesBefore = this.tablesOfSets;
    this.tablesOfSets = new Map();
  }

  get isBeginningAgain(): boolean {
    return this.fresh !== undefined;
  }

  /** The new tables were not filled; the next connection fills new ones again. */
  abandon(): void {
    if (this.fresh !== undefined) {
      this.fresh = undefined;
      this.tablesOfSets = this.tablesBefore;
    }
  }

  /** The new tables take the place of the old ones. */
  exchange(): RowChanges {
    const changes = new RowChanges();
    const fresh = this.fresh ?? new Map<string, TableStore>();
    this.fresh = undefined;
    for (const [name, table] of this.cache.entries()) {
      const older = TableCacheImpl.storeOf(table);
      const newer = fresh.get(name) ?? new TableStore(older.def);
      const touched = newer.replace(older);
      TableCacheImpl.setStore(table, newer);
      changes.tables.push({ table, touched });
    }
    return changes;
  }
}
