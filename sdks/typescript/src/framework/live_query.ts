// The rows of one query, as components show them: an array that is replaced whenever it changes,
// at most once for each message of the server.
//
// Queries with the same text share one subscription. It is given up a little after its last user
// has gone, so that who changes the query has the new rows before the old ones go.

import type { DbConnectionImpl } from '../connection/db_connection.js';
import type { SubscriptionHandleImpl } from '../connection/subscriptions.js';
import { callUser } from '../logger.js';
import {
  type BooleanExpr,
  type RowTypedQuery,
  evaluateBooleanExpr,
  getQueryAccessorName,
  getQueryTableName,
  getQueryWhereClause,
  isSemijoin,
  toSql,
} from '../schema/query.js';

export interface LiveQueryCallbacks<Row> {
  onInsert?: ((row: Row) => void) | undefined;
  onDelete?: ((row: Row) => void) | undefined;
  onUpdate?: ((oldRow: Row, newRow: Row) => void) | undefined;
}

export type LiveQuerySnapshot<Row> = readonly [rows: readonly Row[], isReady: boolean];

type Connection = DbConnectionImpl<any>;
type Row = Record<string, any>;
type Listener = () => void;

type SharedSubscription = {
  handle: SubscriptionHandleImpl<any>;
  users: number;
  isReady: boolean;
  listeners: Set<Listener>;
  release: ReturnType<typeof setTimeout> | undefined;
};

/** How long a subscription is kept that nobody uses. */
const RELEASE_MS = 50;

const subscriptions = new WeakMap<Connection, Map<string, SharedSubscription>>();

function acquire(connection: Connection, sql: string, listener: Listener): SharedSubscription {
  let known = subscriptions.get(connection);
  if (known === undefined) {
    known = new Map();
    subscriptions.set(connection, known);
  }
  let shared = known.get(sql);
  if (shared === undefined || shared.handle.isEnded()) {
    const listeners = new Set<Listener>();
    const made: SharedSubscription = {
      handle: undefined as unknown as SubscriptionHandleImpl<any>,
      users: 0,
      isReady: false,
      listeners,
      release: undefined,
    };
    made.handle = connection
      .subscriptionBuilder()
      .onApplied(() => {
        made.isReady = true;
        for (const each of [...listeners]) {
          each();
        }
      })
      .subscribe(sql);
    known.set(sql, made);
    shared = made;
  }
  clearTimeout(shared.release);
  shared.users += 1;
  shared.listeners.add(listener);
  return shared;
}

function release(connection: Connection, sql: string, listener: Listener): void {
  const known = subscriptions.get(connection);
  const shared = known?.get(sql);
  if (shared === undefined) {
    return;
  }
  shared.listeners.delete(listener);
  shared.users -= 1;
  if (shared.users === 0) {
    shared.release = setTimeout(() => {
      known!.delete(sql);
      const { state } = shared.handle;
      if (!connection.hasEnded && (state === 'pending' || state === 'applied')) {
        shared.handle.unsubscribe();
      }
    }, RELEASE_MS);
  }
}

export class LiveQuery<R> {
  readonly sql: string;
  readonly #connection: Connection;
  readonly #table: any;
  readonly #sourceName: string;
  readonly #where: BooleanExpr<any> | undefined;
  readonly #isSemijoin: boolean;
  readonly #listeners = new Set<Listener>();
  readonly #callbacks: () => LiveQueryCallbacks<R>;
  #shared: SharedSubscription | undefined;
  #snapshot: LiveQuerySnapshot<R> = [[], false];
  #isStale = false;
  #joined = new Set<Row>();

  /** `callbacks` is asked whenever something happens, so that they may change. */
  constructor(
    connection: Connection,
    query: RowTypedQuery<R, any>,
    callbacks: () => LiveQueryCallbacks<R> = () => ({})
  ) {
    this.#connection = connection;
    this.sql = toSql(query);
    this.#table = connection.db[getQueryAccessorName(query)];
    this.#sourceName = getQueryTableName(query);
    this.#where = getQueryWhereClause(query);
    this.#isSemijoin = isSemijoin(query);
    this.#callbacks = callbacks;
  }

  /** Begins to follow the query with the first listener, and stops with the last. */
  subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) {
      this.#start();
    }
    let isDone = false;
    return () => {
      if (!isDone) {
        isDone = true;
        this.#listeners.delete(listener);
        if (this.#listeners.size === 0) {
          this.#stop();
        }
      }
    };
  };

  /** The same array as long as nothing has changed. */
  getSnapshot = (): LiveQuerySnapshot<R> => {
    if (this.#isStale) {
      this.#isStale = false;
      this.#snapshot = [this.#readRows(), this.#shared?.isReady ?? false];
    }
    return this.#snapshot;
  };

  #readRows(): readonly R[] {
    if (this.#isSemijoin) {
      const { handle } = this.#shared ?? {};
      return handle ? this.#connection.rowsOfSubscription(this.#sourceName, handle) : [];
    }
    const rows: R[] = [];
    for (const row of this.#table.iter()) {
      if (this.#matches(row)) {
        rows.push(row);
      }
    }
    return rows;
  }

  #matches(row: Row): boolean {
    return this.#where === undefined || evaluateBooleanExpr(this.#where, row);
  }

  #start(): void {
    this.#shared = acquire(this.#connection, this.sql, this.#changed);
    if (!this.#isSemijoin) {
      this.#table.onInsert(this.#inserted);
      this.#table.onDelete?.(this.#deleted);
      this.#table.onUpdate?.(this.#updated);
    }
    this.#connection.on('message', this.#messageHandled);
    this.#isStale = true;
  }

  #stop(): void {
    this.#table.removeOnInsert(this.#inserted);
    this.#table.removeOnDelete?.(this.#deleted);
    this.#table.removeOnUpdate?.(this.#updated);
    this.#connection.off('message', this.#messageHandled);
    release(this.#connection, this.sql, this.#changed);
  }

  #hasChanged = false;

  #changed = (): void => {
    this.#hasChanged = true;
  };

  #inserted = (_: unknown, row: R): void => {
    if (this.#matches(row as Row)) {
      this.#report('onInsert', row);
    }
  };

  #deleted = (_: unknown, row: R): void => {
    if (this.#matches(row as Row)) {
      this.#report('onDelete', row);
    }
  };

  /** A row may enter or leave the query by being updated. */
  #updated = (_: unknown, oldRow: R, newRow: R): void => {
    const was = this.#matches(oldRow as Row);
    const is = this.#matches(newRow as Row);
    if (was && is) {
      this.#hasChanged = true;
      const { onUpdate } = this.#callbacks();
      if (onUpdate !== undefined) {
        callUser(onUpdate, 'onUpdate', oldRow, newRow);
      }
    } else if (was) {
      this.#report('onDelete', oldRow);
    } else if (is) {
      this.#report('onInsert', newRow);
    }
  };

  #report(name: 'onInsert' | 'onDelete', row: R): void {
    this.#hasChanged = true;
    const callback = this.#callbacks()[name];
    if (callback !== undefined) {
      callUser(callback, name, row);
    }
  }

  #messageHandled = (): void => {
    if (this.#isSemijoin) {
      this.#compareJoined();
    }
    if (this.#hasChanged) {
      this.#hasChanged = false;
      this.#isStale = true;
      for (const listener of [...this.#listeners]) {
        listener();
      }
    }
  };

  /** Which rows a join has can change without any change of these rows. */
  #compareJoined(): void {
    const now = new Set(this.#readRows() as Row[]);
    const before = this.#joined;
    this.#joined = now;
    for (const row of now) {
      if (!before.has(row)) {
        this.#report('onInsert', row as R);
      }
    }
    for (const row of before) {
      if (!now.has(row)) {
        this.#report('onDelete', row as R);
      }
    }
  }
}
