// Bindings for some of modules/kitchen-sink, in the shape that the official generator gives them.

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
} from 'spacetime-client';

const Color = t.enum('Color', { Red: t.unit(), Green: t.unit(), Blue: t.unit() });
const Empty = t.object('Empty', {});
const Size = t.object('Size', { width: t.u32(), height: t.u32() });
const Shape = t.enum('Shape', {
  Nothing: t.unit(),
  Circle: t.f64(),
  Rectangle: Size,
  Labelled: t.string(),
  Group: t.array(Size),
});
const Nested = t.object('Nested', {
  label: t.string(),
  sizes: t.array(Size),
  shape: Shape,
  color: Color,
  maybeShape: t.option(Shape),
  outcome: t.result(Size, t.string()),
});

const number = {
  flag: t.bool(),
  int8: t.i8(),
  uint8: t.u8(),
  int16: t.i16(),
  uint16: t.u16(),
  int32: t.i32(),
  uint32: t.u32(),
  int64: t.i64(),
  uint64: t.u64(),
  int128: t.i128(),
  uint128: t.u128(),
  int256: t.i256(),
  uint256: t.u256(),
  float32: t.f32(),
  float64: t.f64(),
};

const composite = {
  text: t.string(),
  bytes: t.byteArray(),
  words: t.array(t.string()),
  longs: t.array(t.u64()),
  floats: t.array(t.f64()),
  flags: t.array(t.bool()),
  color: Color,
  size: Size,
  shape: Shape,
  nested: Nested,
  empty: Empty,
  maybeInt: t.option(t.i32()),
  maybeText: t.option(t.string()),
  maybeMaybe: t.option(t.option(t.u8())),
  outcome: t.result(t.u32(), t.string()),
  identity: t.identity(),
  connection: t.connectionId(),
  moment: t.timestamp(),
  span: t.timeDuration(),
  uuid: t.uuid(),
  due: t.scheduleAt(),
  listOfLists: t.array(t.array(t.u16())),
};

// Column names that are not the snake case of their keys come from the module as they are.
const renamed = {
  maybeInt: composite.maybeInt.name('maybe_int'),
  maybeText: composite.maybeText.name('maybe_text'),
  maybeMaybe: composite.maybeMaybe.name('maybe_maybe'),
  listOfLists: composite.listOfLists.name('list_of_lists'),
};

const byId = name => ({
  name,
  indexes: [{ accessor: 'id', name: `${name}_id_idx_btree`, algorithm: 'btree', columns: ['id'] }],
  constraints: [{ name: `${name}_id_key`, constraint: 'unique', columns: ['id'] }],
});

const tablesSchema = schema({
  number: table(byId('number'), t.row({ id: t.u32().primaryKey(), ...number })),
  composite: table(
    byId('composite'),
    t.row({ id: t.u32().primaryKey(), ...composite, ...renamed })
  ),
  plain: table(
    { name: 'plain', indexes: [], constraints: [] },
    t.row({ a: t.i32(), text: t.string() })
  ),
  hit: table(
    { name: 'hit', indexes: [], constraints: [], event: true },
    t.row({ target: t.u32(), strength: t.i32() })
  ),
});

const NumberType = t.object('Number', { id: t.u32(), ...number });
const CompositeType = t.object('Composite', { id: t.u32(), ...composite });

const reducersSchema = reducersOf(
  reducerSchema('insert_number', { row: NumberType }),
  reducerSchema('update_number', { row: NumberType }),
  reducerSchema('delete_number', { id: t.u32() }),
  reducerSchema('insert_composite', { row: CompositeType }),
  reducerSchema('insert_samples', { first: t.u32(), count: t.u32() }),
  reducerSchema('insert_plain', { a: t.i32(), text: t.string() }),
  reducerSchema('insert_big_row', { a: t.i32(), textBytes: t.u32() }),
  reducerSchema('delete_plain', { a: t.i32(), text: t.string() }),
  reducerSchema('emit_hits', { target: t.u32(), count: t.u32() }),
  reducerSchema('fail', { text: t.string() }),
  reducerSchema('panic_now', { text: t.string() }),
  reducerSchema('close_door', { reason: t.string() }),
  reducerSchema('open_door', {})
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
