// Solid primitives: as the hooks of `react/`, with signals and stores.

import {
  type Context,
  type JSX,
  createComponent,
  createContext,
  createEffect,
  createSignal,
  onCleanup,
  useContext,
} from 'solid-js';
import { createStore, reconcile } from 'solid-js/store';

import type { DbConnectionBuilder } from '../connection/builder.js';
import type { DbConnectionImpl } from '../connection/db_connection.js';
import { type Kind, WaitingCalls } from '../framework/calls.js';
import { LiveQuery } from '../framework/live_query.js';
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

export type ConnectionState = SharedState & {
  getConnection<T extends DbConnectionImpl<any> = DbConnectionImpl<any>>(): T | null;
};

export const SpacetimeDBContext: Context<ConnectionState | undefined> = createContext<
  ConnectionState | undefined
>();

export interface SpacetimeDBProviderProps<DbConnection extends DbConnectionImpl<any>> {
  connectionBuilder: DbConnectionBuilder<DbConnection>;
  children?: any;
}

/** Holds the connection for the components inside. */
export function SpacetimeDBProvider<DbConnection extends DbConnectionImpl<any>>(
  props: SpacetimeDBProviderProps<DbConnection>
): JSX.Element {
  const key = sharedConnections.keyOf(props.connectionBuilder);
  sharedConnections.retain(key, props.connectionBuilder);
  const snapshot = (): SharedState => sharedConnections.getSnapshot(key) ?? INITIAL_STATE;
  const [state, setState] = createSignal(snapshot());
  const stop = sharedConnections.subscribe(key, () => setState(snapshot()));
  onCleanup(() => {
    stop();
    sharedConnections.release(key);
  });
  const value: ConnectionState = {
    get isActive() {
      return state().isActive;
    },
    get identity() {
      return state().identity;
    },
    get token() {
      return state().token;
    },
    get connectionId() {
      return state().connectionId;
    },
    get connectionError() {
      return state().connectionError;
    },
    getConnection: <T extends DbConnectionImpl<any>>() => {
      state();
      return sharedConnections.getConnection<T>(key);
    },
  };
  return createComponent(SpacetimeDBContext.Provider, {
    value,
    get children() {
      return props.children;
    },
  });
}

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
  enabled?: () => boolean;
}

/** The rows of a query as a store, and whether the first ones have come. */
export function useTable<TableDef extends UntypedTableDef>(
  query: () => Query<TableDef>,
  callbacks?: UseTableCallbacks<Prettify<RowType<TableDef>>>
): [readonly Prettify<RowType<TableDef>>[], () => boolean] {
  const state = useSpacetimeDB();
  const [rows, setRows] = createStore<any[]>([]);
  const [isReady, setIsReady] = createSignal(false);
  createEffect(() => {
    const connection = state.getConnection();
    if (connection === null || callbacks?.enabled?.() === false) {
      setRows(reconcile<any[], any[]>([]));
      setIsReady(connection !== null);
      return;
    }
    const live = new LiveQuery<any>(connection, query(), () => callbacks ?? {});
    const update = (): void => {
      const [current, ready] = live.getSnapshot();
      setRows(reconcile<any[], any[]>([...current], { key: null }));
      setIsReady(ready);
    };
    onCleanup(live.subscribe(update));
    update();
  });
  return [rows, isReady];
}

function useCall(
  kind: Kind,
  def: UntypedReducerDef | UntypedProcedureDef
): (...params: any[]) => Promise<any> {
  const state = useSpacetimeDB();
  const calls = new WaitingCalls();
  createEffect(() => calls.setConnection(state.getConnection()));
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
