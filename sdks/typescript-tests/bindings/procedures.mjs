// Bindings for some of modules/procedures, in the shape that the official generator gives them.

import {
  DbConnectionBuilder,
  DbConnectionImpl,
  SubscriptionBuilderImpl,
  procedureSchema,
  procedures as proceduresOf,
  reducerSchema,
  reducers as reducersOf,
  schema,
  t,
  table,
} from '#sdk';

const tablesSchema = schema({
  entry: table(
    {
      name: 'entry',
      indexes: [
        { accessor: 'id', name: 'entry_id_idx_btree', algorithm: 'btree', columns: ['id'] },
      ],
      constraints: [{ name: 'entry_id_key', constraint: 'unique', columns: ['id'] }],
    },
    t.row({ id: t.u64().primaryKey(), text: t.string() })
  ),
});

const reducersSchema = reducersOf(reducerSchema('write', { text: t.string() }));

const Description = t.object('Description', {
  name: t.string(),
  sizes: t.array(t.u16()),
  parent: t.option(t.u64()),
});

const proceduresSchema = proceduresOf(
  procedureSchema('add', { a: t.u32(), b: t.u32() }, t.u64()),
  procedureSchema('describe', { name: t.string(), parent: t.option(t.u64()) }, Description),
  procedureSchema('write_twice', { text: t.string() }, t.u64()),
  procedureSchema('change_ones_mind', {}, t.option(t.string())),
  procedureSchema('stumble', {}, t.unit()),
  procedureSchema('nap', { ms: t.u64() }, t.bool()),
  procedureSchema('who', {}, t.array(t.string())),
  procedureSchema('no_such_procedure', {}, t.unit())
);

const REMOTE_MODULE = {
  versionInfo: { cliVersion: '2.10.1' },
  tables: tablesSchema.schemaType.tables,
  reducers: reducersSchema.reducersType.reducers,
  ...proceduresSchema,
};

export class DbConnection extends DbConnectionImpl {
  static builder() {
    return new DbConnectionBuilder(REMOTE_MODULE, config => new DbConnection(config));
  }

  subscriptionBuilder() {
    return new SubscriptionBuilderImpl(this);
  }
}
