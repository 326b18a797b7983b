// Bindings for modules/chat, in the shape that the official generator gives them.

import {
  DbConnectionBuilder,
  DbConnectionImpl,
  SubscriptionBuilderImpl,
  convertToAccessorMap,
  makeQueryBuilder,
  procedures,
  reducerSchema,
  reducers as reducersOf,
  schema,
  t,
  table,
} from 'spacetime-client';

export const UserRow = t.row({
  identity: t.identity().primaryKey(),
  name: t.option(t.string()),
  online: t.bool(),
});

export const MessageRow = t.row({
  sender: t.identity(),
  sent: t.timestamp(),
  text: t.string(),
});

const tablesSchema = schema({
  user: table(
    {
      name: 'user',
      indexes: [
        {
          accessor: 'identity',
          name: 'user_identity_idx_btree',
          algorithm: 'btree',
          columns: ['identity'],
        },
      ],
      constraints: [{ name: 'user_identity_key', constraint: 'unique', columns: ['identity'] }],
    },
    UserRow
  ),
  message: table({ name: 'message', indexes: [], constraints: [] }, MessageRow),
});

const reducersSchema = reducersOf(
  reducerSchema('set_name', { name: t.string() }),
  reducerSchema('send_message', { text: t.string() })
);

const proceduresSchema = procedures();

const REMOTE_MODULE = {
  versionInfo: { cliVersion: '2.10.1' },
  tables: tablesSchema.schemaType.tables,
  reducers: reducersSchema.reducersType.reducers,
  ...proceduresSchema,
};

export const tables = makeQueryBuilder(tablesSchema.schemaType);
export const reducers = convertToAccessorMap(reducersSchema.reducersType.reducers);

export class DbConnection extends DbConnectionImpl {
  static builder() {
    return new DbConnectionBuilder(REMOTE_MODULE, config => new DbConnection(config));
  }

  subscriptionBuilder() {
    return new SubscriptionBuilderImpl(this);
  }
}
