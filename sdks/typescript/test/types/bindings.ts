// Bindings in the shape that generators give them, for the compiler: `npm run test:types`.

import {
  DbConnectionBuilder as __DbConnectionBuilder,
  type DbConnectionConfig as __DbConnectionConfig,
  DbConnectionImpl as __DbConnectionImpl,
  type ErrorContextInterface as __ErrorContextInterface,
  type Event as __Event,
  type EventContextInterface as __EventContextInterface,
  type Infer as __Infer,
  type QueryBuilder as __QueryBuilder,
  type ReducerEventContextInterface as __ReducerEventContextInterface,
  type RemoteModule as __RemoteModule,
  SubscriptionBuilderImpl as __SubscriptionBuilderImpl,
  type SubscriptionEventContextInterface as __SubscriptionEventContextInterface,
  type SubscriptionHandleImpl as __SubscriptionHandleImpl,
  convertToAccessorMap as __convertToAccessorMap,
  makeQueryBuilder as __makeQueryBuilder,
  procedureSchema as __procedureSchema,
  procedures as __procedures,
  reducerSchema as __reducerSchema,
  reducers as __reducers,
  schema as __schema,
  t as __t,
  table as __table,
} from 'spacetime-client';

export const Color = __t.enum('Color', { Red: __t.unit(), Rgb: __t.array(__t.u8()) });
export type Color = __Infer<typeof Color>;

export const Tree = __t.object('Tree', {
  name: __t.string(),
  get color() {
    return Color;
  },
});
export type Tree = __Infer<typeof Tree>;

export const PlayerRow = __t.row({
  id: __t.u64().primaryKey(),
  owner: __t.identity(),
  displayName: __t.string().name('display_name'),
  level: __t.u32(),
  nick: __t.option(__t.string()),
  get color() {
    return Color;
  },
});

const EventRow = __t.row({ text: __t.string() });

const tablesSchema = __schema({
  player: __table(
    {
      name: 'player',
      indexes: [
        { accessor: 'id', name: 'player_id_idx_btree', algorithm: 'btree', columns: ['id'] },
        { accessor: 'owner', name: 'player_owner_idx', algorithm: 'btree', columns: ['owner'] },
        {
          accessor: 'byLevel',
          name: 'player_level_idx',
          algorithm: 'btree',
          columns: ['level', 'displayName'],
        },
      ],
      constraints: [
        { name: 'player_id_key', constraint: 'unique', columns: ['id'] },
        { name: 'player_owner_key', constraint: 'unique', columns: ['owner'] },
      ],
    },
    PlayerRow
  ),
  noKey: __table({ name: 'no_key', indexes: [], constraints: [] }, EventRow),
  happened: __table({ name: 'happened', indexes: [], constraints: [], event: true }, EventRow),
});

const reducersSchema = __reducers(
  __reducerSchema('add_player', { displayName: __t.string(), level: __t.u32() }),
  __reducerSchema('reset', {})
);

const proceduresSchema = __procedures(
  __procedureSchema('level_of', { id: __t.u64() }, __t.option(__t.u32()))
);

const REMOTE_MODULE = {
  versionInfo: { cliVersion: '2.10.1' as const },
  tables: tablesSchema.schemaType.tables,
  reducers: reducersSchema.reducersType.reducers,
  ...proceduresSchema,
} satisfies __RemoteModule<
  typeof tablesSchema.schemaType,
  typeof reducersSchema.reducersType,
  typeof proceduresSchema,
  '2.10.1'
>;

export const tables: __QueryBuilder<typeof tablesSchema.schemaType> = __makeQueryBuilder(
  tablesSchema.schemaType
);
export const reducers = __convertToAccessorMap(reducersSchema.reducersType.reducers);
export const procedures = __convertToAccessorMap(proceduresSchema.procedures);

export type EventContext = __EventContextInterface<typeof REMOTE_MODULE>;
export type ReducerEventContext = __ReducerEventContextInterface<typeof REMOTE_MODULE>;
export type SubscriptionEventContext = __SubscriptionEventContextInterface<typeof REMOTE_MODULE>;
export type ErrorContext = __ErrorContextInterface<typeof REMOTE_MODULE>;
export type SubscriptionHandle = __SubscriptionHandleImpl<typeof REMOTE_MODULE>;
export type AnyEvent = __Event<any>;

export class SubscriptionBuilder extends __SubscriptionBuilderImpl<typeof REMOTE_MODULE> {}

export class DbConnectionBuilder extends __DbConnectionBuilder<DbConnection> {}

export class DbConnection extends __DbConnectionImpl<typeof REMOTE_MODULE> {
  static builder = (): DbConnectionBuilder => {
    return new DbConnectionBuilder(
      REMOTE_MODULE,
      (config: __DbConnectionConfig<typeof REMOTE_MODULE>) => new DbConnection(config)
    );
  };

  override subscriptionBuilder = (): SubscriptionBuilder => {
    return new SubscriptionBuilder(this);
  };
}
