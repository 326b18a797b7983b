// Svelte stores: as the hooks of `react/`. To be used while a component is set up.

import { getContext, onDestroy, setContext } from 'svelte';
import { type Readable, type Writable, readable, writable } from 'svelte/store';

import type { DbConnectionBuilder } from '../connection/builder.js';
import type { DbConnectionImpl } from '../connection/db_connection.js';
import { type Kind, WaitingCalls } from '../framework/calls.js';
import { LiveQuery, type LiveQueryCallbacks } from '../framework/live_query.js';
import {
  type ConnectionState as SharedState,
  INITIAL_STATE,
  sharedConnections,
} from '../framework/shared_connections.js';
import type {
  ParamsType,
  ProcedureParamsType,
  ProcedureReturnType,
  UntypedProcedureDef,
  UntypedReducerDef,
} from '../schema/functions.js';
import type { Query } from '../schema/query.js';
import type { RowType, UntypedTableDef } from '../schema/tables.js';
import type { Prettify } from '../schema/type_tools.js';

export const SPACETIMEDB_CONTEXT_KEY: unique symbol = Symbol('spacetimedb');

export type ConnectionState = SharedState & {
  getConnection<T extends DbConnectionImpl<any> = DbConnectionImpl<any>>(): T | null;
  /** Takes another connection, as after a login. */
  reconnect(builder: DbConnectionBuilder<any>): void;
};

/** Makes the connection for this component and those inside. */
export function createSpacetimeDBProvider<DbConnection extends DbConnectionImpl<any>>(
  connectionBuilder: DbConnectionBuilder<DbConnection>
): Writable<ConnectionState> {
  const key = sharedConnections.keyOf(connectionBuilder);
  sharedConnections.retain(key, connectionBuilder);
  const current = (): ConnectionState => ({
    ...(sharedConnections.getSnapshot(key) ?? INITIAL_STATE),
    getConnection: <T extends DbConnectionImpl<any>>() => sharedConnections.getConnection<T>(key),
    reconnect: builder => {
      sharedConnections.rebuild(key, builder);
      store.set(current());
    },
  });
  const store: Writable<ConnectionState> = writable<ConnectionState>();
  store.set(current());
  const stop = sharedConnections.subscribe(key, () => store.set(current()));
  setContext(SPACETIMEDB_CONTEXT_KEY, store);
  onDestroy(() => {
    stop();
    sharedConnections.release(key);
  });
  return store;
}

export function useSpacetimeDB(): Writable<ConnectionState> {
  const store = getContext<Writable<ConnectionState> | undefined>(SPACETIMEDB_CONTEXT_KEY);
  if (store === undefined) {
    throw new Error('call `createSpacetimeDBProvider` in a component around this one');
  }
  return store;
}

export type UseTableCallbacks<Row> = LiveQueryCallbacks<Row>;

export function useTable<TableDef extends UntypedTableDef>(
  query: Query<TableDef>,
  callbacks?: UseTableCallbacks<Prettify<RowType<TableDef>>>
): [Readable<readonly Prettify<RowType<TableDef>>[]>, Readable<boolean>] {
  const state = useSpacetimeDB();
  const rows = writable<readonly any[]>([]);
  const isReady = writable(false);
  let followed: DbConnectionImpl<any> | null = null;
  let stop = (): void => {};
  const unsubscribe = state.subscribe(({ getConnection }) => {
    const connection = getConnection();
    if (connection === null || connection === followed) {
      return;
    }
    followed = connection;
    stop();
    const live = new LiveQuery<any>(connection, query, () => callbacks ?? {});
    const update = (): void => {
      const [current, ready] = live.getSnapshot();
      rows.set(current);
      isReady.set(ready);
    };
    stop = live.subscribe(update);
    update();
  });
  onDestroy(() => {
    unsubscribe();
    stop();
  });
  const readOnly = <T>(store: Writable<T>, first: T): Readable<T> =>
    readable(first, set => store.subscribe(set));
  return [readOnly(rows, []), readOnly(isReady, false)];
}

function useCall(
  kind: Kind,
  def: UntypedReducerDef | UntypedProcedureDef
): (...params: any[]) => Promise<any> {
  const state = useSpacetimeDB();
  const calls = new WaitingCalls();
  onDestroy(state.subscribe(({ getConnection }) => calls.setConnection(getConnection())));
  return (...params) => calls.call(kind, def, params);
}

export function useReducer<ReducerDef extends UntypedReducerDef>(
  reducerDef: ReducerDef
): (...params: ParamsType<ReducerDef>) => Promise<void> {
  return useCall('reducers', reducerDef);
}

export function useProcedure<ProcedureDef extends UntypedProcedureDef>(
  procedureDef: ProcedureDef
): (...params: ProcedureParamsType<ProcedureDef>) => Promise<ProcedureReturnType<ProcedureDef>> {
  return useCall('procedures', procedureDef);
}
