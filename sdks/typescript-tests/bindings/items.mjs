// Bindings for what the table of scenarios uses of modules/kitchen-sink.

import {
  DbConnectionBuilder,
  DbConnectionImpl,
  SubscriptionBuilderImpl,
  procedures,
  reducerSchema,
  reducers as reducersOf,
  schema,
  t,
  table,
} from '#sdk';

const item = {
  shelf: t.u32(),
  row: t.i16(),
  name: t.string(),
  owner: t.u64(),
  label: t.string(),
};

const tablesSchema = schema({
  item: table(
    {
      name: 'item',
      indexes: [
        { accessor: 'id', name: 'item_id_idx', algorithm: 'btree', columns: ['id'] },
        { accessor: 'label', name: 'item_label_idx', algorithm: 'btree', columns: ['label'] },
      ],
      constraints: [
        { name: 'item_id_key', constraint: 'unique', columns: ['id'] },
        { name: 'item_label_key', constraint: 'unique', columns: ['label'] },
      ],
    },
    t.row({ id: t.u64().primaryKey(), ...item })
  ),
  hit: table(
    { name: 'hit', indexes: [], constraints: [], event: true },
    t.row({ target: t.u32(), strength: t.i32() })
  ),
});

const ItemType = t.object('Item', { id: t.u64(), ...item });

const reducersSchema = reducersOf(
  reducerSchema('insert_item', item),
  reducerSchema('update_item', { row: ItemType }),
  reducerSchema('delete_item_by_label', { label: t.string() }),
  reducerSchema('delete_items_by_owner', { owner: t.u64() }),
  reducerSchema('emit_hits', { target: t.u32(), count: t.u32() }),
  reducerSchema('emit_hit_and_fail', { target: t.u32() }),
  reducerSchema('fail', { text: t.string() }),
  reducerSchema('panic_now', { text: t.string() })
);

const REMOTE_MODULE = {
  versionInfo: { cliVersion: '2.10.1' },
  tables: tablesSchema.schemaType.tables,
  reducers: reducersSchema.reducersType.reducers,
  ...procedures(),
};

export class DbConnection extends DbConnectionImpl {
  static builder() {
    return new DbConnectionBuilder(REMOTE_MODULE, config => new DbConnection(config));
  }

  subscriptionBuilder() {
    return new SubscriptionBuilderImpl(this);
  }
}
