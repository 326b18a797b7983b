// Bindings of the module that the documentation speaks of.

import {
  DbConnectionBuilder,
  type DbConnectionConfig,
  DbConnectionImpl,
  type RemoteModule,
  SubscriptionBuilderImpl,
  convertToAccessorMap,
  makeQueryBuilder,
  procedureSchema,
  procedures as proceduresOf,
  reducerSchema,
  reducers as reducersOf,
  schema,
  t,
  table,
} from 'spacetime-client';

const tablesSchema = schema({
  user: table(
    {
      name: 'user',
      indexes: [{ accessor: 'identity', name: 'i', algorithm: 'btree', columns: ['identity'] }],
      constraints: [{ name: 'c', constraint: 'unique', columns: ['identity'] }],
    },
    t.row({ identity: t.identity().primaryKey(), name: t.option(t.string()), online: t.bool() })
  ),
  message: table(
    { name: 'message', indexes: [], constraints: [] },
    t.row({ sender: t.identity(), text: t.string() })
  ),
  player: table(
    {
      name: 'player',
      indexes: [{ accessor: 'byLevel', name: 'l', algorithm: 'btree', columns: ['level', 'name'] }],
      constraints: [],
    },
    t.row({ level: t.u32(), name: t.string() })
  ),
});

const reducersSchema = reducersOf(
  reducerSchema('set_name', { name: t.string() }),
  reducerSchema('send_message', { text: t.string() })
);

const proceduresSchema = proceduresOf(procedureSchema('add', { a: t.u32(), b: t.u32() }, t.u32()));

const REMOTE_MODULE = {
  versionInfo: { cliVersion: '2.10.1' },
  tables: tablesSchema.schemaType.tables,
  reducers: reducersSchema.reducersType.reducers,
  ...proceduresSchema,
} satisfies RemoteModule<
  typeof tablesSchema.schemaType,
  typeof reducersSchema.reducersType,
  typeof proceduresSchema
>;

export const tables = makeQueryBuilder(tablesSchema.schemaType);
export const reducers = convertToAccessorMap(reducersSchema.reducersType.reducers);

export class DbConnection extends DbConnectionImpl<typeof REMOTE_MODULE> {
  static builder = (): DbConnectionBuilder<DbConnection> =>
    new DbConnectionBuilder<DbConnection>(
      REMOTE_MODULE,
      (config: DbConnectionConfig<typeof REMOTE_MODULE>) => new DbConnection(config)
    );

  override subscriptionBuilder = (): SubscriptionBuilderImpl<typeof REMOTE_MODULE> =>
    new SubscriptionBuilderImpl<typeof REMOTE_MODULE>(this);
}
