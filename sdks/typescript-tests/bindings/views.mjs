// Bindings for some of modules/views, in the shape that the official generator gives them.

import {
  DbConnectionBuilder,
  DbConnectionImpl,
  SubscriptionBuilderImpl,
  makeQueryBuilder,
  procedures,
  reducerSchema,
  reducers as reducersOf,
  schema,
  t,
  table,
} from '#sdk';

const note = {
  author: t.identity(),
  day: t.u32(),
  text: t.string(),
};

/** A view without a key; its rows are told apart by all they hold. */
const keyless = name => ({ name, indexes: [], constraints: [] });

const tablesSchema = schema({
  player: table(
    {
      name: 'player',
      indexes: [
        { accessor: 'id', name: 'player_id_idx_btree', algorithm: 'btree', columns: ['id'] },
      ],
      constraints: [{ name: 'player_id_key', constraint: 'unique', columns: ['id'] }],
    },
    t.row({
      id: t.u64().primaryKey(),
      owner: t.identity(),
      level: t.u32(),
      name: t.string(),
    })
  ),
  myNotes: table(keyless('my_notes'), t.row({ id: t.u64().primaryKey(), ...note })),
  myNotesByQuery: table(keyless('my_notes_by_query'), t.row({ id: t.u64(), ...note })),
  firstNote: table(keyless('first_note'), t.row({ id: t.u64(), ...note })),
  noteCount: table(keyless('NoteCount'), t.row({ rows: t.u64() })),
  moody: table(keyless('moody'), t.row({ rows: t.u64() })),
});

const reducersSchema = reducersOf(
  reducerSchema('join', { name: t.string(), level: t.u32() }),
  reducerSchema('write_note', { id: t.u64(), day: t.u32(), text: t.string() }),
  reducerSchema('erase_note', { id: t.u64() }),
  reducerSchema('set_switch', { name: t.string(), value: t.u32() })
);

const REMOTE_MODULE = {
  versionInfo: { cliVersion: '2.10.1' },
  tables: tablesSchema.schemaType.tables,
  reducers: reducersSchema.reducersType.reducers,
  ...procedures(),
};

export const tables = makeQueryBuilder(tablesSchema.schemaType);

export class DbConnection extends DbConnectionImpl {
  static builder() {
    return new DbConnectionBuilder(REMOTE_MODULE, config => new DbConnection(config));
  }

  subscriptionBuilder() {
    return new SubscriptionBuilderImpl(this);
  }
}
