// A table as its user sees it: `conn.db.user`. Who listens stays here while the rows behind it may
// be exchanged, after a connection was lost and made again.

import { callUser } from '../logger.js';
import type { UntypedTableDef } from '../schema/tables.js';
import { Entry, type Row, TableStore } from './table_store.js';

type RowCallback = (ctx: any, row: any) => void;
type UpdateCallback = (ctx: any, oldRow: any, newRow: any) => void;

/** Callbacks in the order in which they came. Who is removed while they run is not called. */
class Listeners<Callback extends (...args: any[]) => void> {
  private list: readonly Callback[] = [];

  add(callback: Callback): void {
    this.list = [...this.list, callback];
  }

  remove(callback: Callback): void {
    const at = this.list.lastIndexOf(callback);
    if (0 <= at) {
      this.list = this.list.filter((_, index) => index !== at);
    }
  }

  isEmpty(): boolean {
    return this.list.length === 0;
  }

  call(what: string, ...args: Parameters<Callback>): void {
    for (const callback of this.list) {
      if (this.list.includes(callback)) {
        callUser(callback, what, ...args);
      }
    }
  }
}

export class TableCacheImpl {
  #store: TableStore;
  readonly #inserts = new Listeners<RowCallback>();
  readonly #deletes = new Listeners<RowCallback>();
  readonly #updates = new Listeners<UpdateCallback>();
  readonly #sourceName: string;

  constructor(store: TableStore) {
    this.#store = store;
    this.#sourceName = store.def.sourceName;
    for (const { name, unique, columns } of store.def.resolvedIndexes) {
      Object.defineProperty(this, name, {
        value: this.#indexView(columns, unique === true),
        enumerable: true,
        configurable: true,
      });
    }
  }

  #indexView(columns: readonly string[], unique: boolean): object {
    const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);
    const filter = (bounds: unknown): Generator<Row, undefined> =>
      this.#store.filter(columns, asList(bounds));
    if (!unique) {
      return { filter };
    }
    const find = (value: unknown): Row | null =>
      this.#store.find(columns, columns.length === 1 ? [value] : asList(value)) ?? null;
    return { find, filter };
  }

  /** How many rows the client has. */
  count(): bigint {
    return BigInt(this.#store.rows.size);
  }

  iter(): Generator<Row, undefined> {
    return this.#store.iterate();
  }

  [Symbol.iterator](): Generator<Row, undefined> {
    return this.#store.iterate();
  }

  onInsert(callback: RowCallback): void {
    this.#inserts.add(callback);
  }

  onDelete(callback: RowCallback): void {
    this.#deletes.add(callback);
  }

  onUpdate(callback: UpdateCallback): void {
    this.#updates.add(callback);
  }

  removeOnInsert(callback: RowCallback): void {
    this.#inserts.remove(callback);
  }

  removeOnDelete(callback: RowCallback): void {
    this.#deletes.remove(callback);
  }

  removeOnUpdate(callback: UpdateCallback): void {
    this.#updates.remove(callback);
  }

  static storeOf(cache: TableCacheImpl): TableStore {
    return cache.#store;
  }

  static setStore(cache: TableCacheImpl, store: TableStore): void {
    cache.#store = store;
  }

  /** Inserts and updates in the order in which they came, then deletes. */
  static report(cache: TableCacheImpl, context: unknown, touched: readonly Entry[]): void {
    const table = cache.#sourceName;
    // Looked up again for every row: a callback may add listeners and remove them.
    for (const entry of touched) {
      if (entry.isInserted()) {
        if (!cache.#inserts.isEmpty()) {
          cache.#inserts.call(`onInsert of ${table}`, context, entry.row);
        }
      } else if (!cache.#updates.isEmpty() && entry.isUpdated()) {
        cache.#updates.call(`onUpdate of ${table}`, context, entry.before, entry.row);
      }
    }
    for (const entry of touched) {
      if (!cache.#deletes.isEmpty() && entry.isDeleted()) {
        cache.#deletes.call(`onDelete of ${table}`, context, entry.before);
      }
    }
  }

  static reportEvents(cache: TableCacheImpl, context: unknown, rows: readonly Row[]): void {
    for (const row of rows) {
      cache.#inserts.call(`onInsert of ${cache.#sourceName}`, context, row);
    }
  }
}

/** The tables of a connection, by the names that the server has for them. */
export class ClientCache {
  private readonly bySourceName = new Map<string, TableCacheImpl>();
  /** The tables under their accessors; those of submodules one level down. */
  readonly view: Record<string, any> = {};

  constructor(tables: Record<string, UntypedTableDef>) {
    for (const accessor of Object.keys(tables)) {
      const def = tables[accessor]!;
      const table = new TableCacheImpl(new TableStore(def));
      this.bySourceName.set(def.sourceName, table);
      this.view[accessor] = table;
      const path = accessor.split('.');
      let place = this.view;
      for (const part of path.slice(0, -1)) {
        place = place[part] ??= {};
      }
      place[path.at(-1)!] = table;
    }
  }

  get(sourceName: string): TableCacheImpl | undefined {
    return this.bySourceName.get(sourceName);
  }

  entries(): Iterable<[sourceName: string, table: TableCacheImpl]> {
    return this.bySourceName.entries();
  }
}
