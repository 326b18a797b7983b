// Vue composables: as the hooks of `react/`, with refs.

import {
  type DeepReadonly,
  type InjectionKey,
  type PropType,
  type Ref,
  type ShallowRef,
  computed,
  defineComponent,
  inject,
  onScopeDispose,
  provide,
  readonly,
  ref,
  shallowReactive,
  shallowRef,
  watch,
} from 'vue';

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

export type ConnectionState = SharedState & {
  getConnection<T extends DbConnectionImpl<any> = DbConnectionImpl<any>>(): T | null;
};

export const SPACETIMEDB_INJECTION_KEY: InjectionKey<ConnectionState> = Symbol('spacetimedb');

const CONNECTION_KEY: InjectionKey<ShallowRef<DbConnectionImpl<any>>> = Symbol('connection');

/** Makes the connection for this component and those inside. */
export function useSpacetimeDBProvider<DbConnection extends DbConnectionImpl<any>>(
  connectionBuilder: DbConnectionBuilder<DbConnection>
): ConnectionState {
  const key = sharedConnections.keyOf(connectionBuilder);
  const connection = shallowRef<DbConnectionImpl<any>>(
    sharedConnections.retain(key, connectionBuilder)
  );
  const state = shallowReactive<ConnectionState>({
    ...(sharedConnections.getSnapshot(key) ?? INITIAL_STATE),
    getConnection: <T extends DbConnectionImpl<any>>() => sharedConnections.getConnection<T>(key),
  });
  const stop = sharedConnections.subscribe(key, () => {
    Object.assign(state, sharedConnections.getSnapshot(key));
    connection.value = sharedConnections.getConnection(key) ?? connection.value;
  });
  onScopeDispose(() => {
    stop();
    sharedConnections.release(key);
  });
  provide(SPACETIMEDB_INJECTION_KEY, state);
  provide(CONNECTION_KEY, connection);
  return state;
}

export const SpacetimeDBProvider = defineComponent({
  name: 'SpacetimeDBProvider',
  props: {
    connectionBuilder: { type: Object as PropType<DbConnectionBuilder<any>>, required: true },
  },
  setup(props, { slots }) {
    useSpacetimeDBProvider(props.connectionBuilder);
    return () => slots['default']?.() ?? null;
  },
});

export function useSpacetimeDB(): ConnectionState {
  const state = inject(SPACETIMEDB_INJECTION_KEY);
  if (state === undefined) {
    throw new Error('`useSpacetimeDB` is only for components inside of a SpacetimeDBProvider');
  }
  return state;
}

function useConnection(): ShallowRef<DbConnectionImpl<any>> {
  const connection = inject(CONNECTION_KEY);
  if (connection === undefined) {
    throw new Error('there is no SpacetimeDBProvider around this component');
  }
  return connection;
}

export type UseTableCallbacks<Row> = LiveQueryCallbacks<Row>;

export function useTable<TableDef extends UntypedTableDef>(
  query: Query<TableDef>,
  callbacks?: UseTableCallbacks<Prettify<RowType<TableDef>>>
): [DeepReadonly<Ref<readonly Prettify<RowType<TableDef>>[]>>, DeepReadonly<Ref<boolean>>] {
  const connection = useConnection();
  const rows = shallowRef<readonly any[]>([]);
  const isReady = ref(false);
  let stop = (): void => {};
  const unwatch = watch(
    connection,
    current => {
      stop();
      const live = new LiveQuery<any>(current, query, () => callbacks ?? {});
      const update = (): void => {
        [rows.value, isReady.value] = live.getSnapshot();
      };
      stop = live.subscribe(update);
      update();
    },
    { immediate: true }
  );
  onScopeDispose(() => {
    unwatch();
    stop();
  });
  return [computed(() => rows.value) as any, readonly(isReady)];
}

function useCall(
  kind: Kind,
  def: UntypedReducerDef | UntypedProcedureDef
): (...params: any[]) => Promise<any> {
  const connection = useConnection();
  const calls = new WaitingCalls();
  return (...params) => {
    calls.setConnection(connection.value);
    return calls.call(kind, def, params);
  };
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
