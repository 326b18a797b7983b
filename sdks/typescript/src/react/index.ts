// React hooks. A provider has the connection; hooks read tables and call functions through it.

import {
  type Context,
  type ReactElement,
  type ReactNode,
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';

import type { DbConnectionBuilder } from '../connection/builder.js';
import type { DbConnectionImpl } from '../connection/db_connection.js';
import { type Kind, WaitingCalls } from '../framework/calls.js';
import { LiveQuery, type LiveQuerySnapshot } from '../framework/live_query.js';
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
import { type Query, toSql } from '../schema/query.js';
import type { RowType, UntypedTableDef } from '../schema/tables.js';
import type { Prettify } from '../schema/type_tools.js';

export type ConnectionState = SharedState & {
  /** Null until the provider is mounted. */
  getConnection<T extends DbConnectionImpl<any> = DbConnectionImpl<any>>(): T | null;
};

export const SpacetimeDBContext: Context<ConnectionState | undefined> = createContext<
  ConnectionState | undefined
>(undefined);

export interface SpacetimeDBProviderProps<DbConnection extends DbConnectionImpl<any>> {
  /** Must stay the same between renders: make it outside of components, or with useMemo. */
  connectionBuilder: DbConnectionBuilder<DbConnection>;
  children?: ReactNode;
}

/** Holds the connection for the components inside. */
export function SpacetimeDBProvider<DbConnection extends DbConnectionImpl<any>>({
  connectionBuilder,
  children,
}: SpacetimeDBProviderProps<DbConnection>): ReactElement {
  const key = sharedConnections.keyOf(connectionBuilder);
  const [retainedKey, setRetainedKey] = useState<string>();
  const builder = useRef(connectionBuilder);
  builder.current = connectionBuilder;

  useEffect(() => {
    sharedConnections.retain(key, builder.current);
    setRetainedKey(key);
    return () => sharedConnections.release(key);
  }, [key]);

  const subscribe = useCallback(
    (listener: () => void) =>
      retainedKey === undefined ? () => {} : sharedConnections.subscribe(retainedKey, listener),
    [retainedKey]
  );
  const getSnapshot = useCallback(
    () => (retainedKey && sharedConnections.getSnapshot(retainedKey)) || INITIAL_STATE,
    [retainedKey]
  );
  const state = useSyncExternalStore(subscribe, getSnapshot, () => INITIAL_STATE);
  const value = useMemo<ConnectionState>(
    () => ({
      ...state,
      getConnection: <T extends DbConnectionImpl<any>>() =>
        retainedKey === undefined ? null : sharedConnections.getConnection<T>(retainedKey),
    }),
    [state, retainedKey]
  );
  return createElement(SpacetimeDBContext.Provider, { value }, children);
}

/** The state of the connection, and the connection. */
export function useSpacetimeDB(): ConnectionState {
  const state = useContext(SpacetimeDBContext);
  if (state === undefined) {
    throw new Error('`useSpacetimeDB` is only for components inside of a SpacetimeDBProvider');
  }
  return state;
}

export interface UseTableCallbacks<Row> {
  onInsert?: (row: Row) => void;
  onDelete?: (row: Row) => void;
  onUpdate?: (oldRow: Row, newRow: Row) => void;
  /** Without it, there is no subscription and there are no rows. True if not given. */
  enabled?: boolean;
}

const DISABLED: LiveQuerySnapshot<any> = [[], true];
const NOT_YET: LiveQuerySnapshot<any> = [[], false];
const nothingToFollow = (): (() => void) => () => {};

/** The rows of a query, and whether the first ones have come. */
export function useTable<TableDef extends UntypedTableDef>(
  query: Query<TableDef>,
  callbacks?: UseTableCallbacks<Prettify<RowType<TableDef>>>
): [readonly Prettify<RowType<TableDef>>[], boolean] {
  const connection = useSpacetimeDB().getConnection();
  const enabled = callbacks?.enabled ?? true;
  const sql = toSql(query);
  const latest = useRef(callbacks);
  latest.current = callbacks;
  const live = useMemo(
    () =>
      connection === null || !enabled
        ? null
        : new LiveQuery<any>(connection, query, () => latest.current ?? {}),
    // The text says all that matters of the query, which is another object on every render.
    [connection, enabled, sql]
  );
  const getSnapshot = live?.getSnapshot ?? (enabled ? () => NOT_YET : () => DISABLED);
  const [rows, isReady] = useSyncExternalStore(
    live?.subscribe ?? nothingToFollow,
    getSnapshot,
    getSnapshot
  );
  // Another query with rows that are not here yet: the last rows stay until then.
  const shown = useRef<readonly any[]>(rows);
  if (isReady || 0 < rows.length || !enabled) {
    shown.current = rows;
  }
  return [isReady ? rows : shown.current, isReady];
}

function useCall(
  kind: Kind,
  def: UntypedReducerDef | UntypedProcedureDef
): (...params: any[]) => Promise<any> {
  const connection = useSpacetimeDB().getConnection();
  const calls = useRef<WaitingCalls | null>(null);
  calls.current ??= new WaitingCalls();
  useEffect(() => calls.current!.setConnection(connection), [connection]);
  return useCallback((...params: any[]) => calls.current!.call(kind, def, params), [kind, def]);
}

/** A function that calls a reducer. What is called before there is a connection waits for it. */
export function useReducer<ReducerDef extends UntypedReducerDef>(
  reducerDef: ReducerDef
): (...params: ParamsType<ReducerDef>) => Promise<void> {
  return useCall('reducers', reducerDef);
}

/** A function that calls a procedure. */
export function useProcedure<ProcedureDef extends UntypedProcedureDef>(
  procedureDef: ProcedureDef
): (...params: ProcedureParamsType<ProcedureDef>) => Promise<ProcedureReturnType<ProcedureDef>> {
  return useCall('procedures', procedureDef);
}
