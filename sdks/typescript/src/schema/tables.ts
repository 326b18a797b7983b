// Tables as bindings declare them: `schema({ user: table({ name: 'user', ... }, Row) })`.
//
// An index is unique if a constraint says so of its columns, or if its only column is the primary
// key or unique.

import type { AlgebraicTypeVariants, ProductTypeType } from '../bsatn/algebraic_type.js';
import type {
  CoerceRow,
  ColumnBuilder,
  ColumnMetadata,
  InferTypeOfRow,
  RowObj,
} from './builders.js';
import { RowBuilder } from './builders.js';
import type { Range } from './range.js';
import type { CollapseTuple, Prettify, Values } from './type_tools.js';

export type IndexOpts<AllowedCol extends string> = { accessor?: string; name?: string } & (
  | { algorithm: 'btree' | 'hash'; columns: readonly AllowedCol[] }
  | { algorithm: 'direct'; column: AllowedCol }
);

export type ConstraintOpts<AllowedCol extends string> = {
  name?: string;
  constraint: 'unique';
  columns: readonly AllowedCol[];
};

export type TableOpts<Row extends RowObj> = {
  name?: string;
  public?: boolean;
  indexes?: readonly IndexOpts<keyof Row & string>[];
  constraints?: readonly ConstraintOpts<keyof Row & string>[];
  event?: boolean;
};

export type UntypedIndex<AllowedCol extends string = string> = {
  /** Under which name the table has it. */
  name: string;
  unique?: boolean;
  algorithm: 'btree' | 'direct' | 'hash';
  columns: readonly AllowedCol[];
};

type Columns = Record<string, ColumnBuilder<any, any, any>>;

export type UntypedTableDef = {
  sourceName: string;
  accessorName: string;
  columns: Columns;
  rowType: ProductTypeType;
  indexes: readonly IndexOpts<any>[];
  resolvedIndexes: readonly UntypedIndex<any>[];
  constraints: readonly ConstraintOpts<any>[];
  isEvent?: boolean;
};

/** What `table` makes; `schema` gives it the name that it has in `db`. */
export type TableSchema<
  Row extends Columns = Columns,
  Idx extends readonly IndexOpts<any>[] = readonly IndexOpts<any>[],
  Cons extends readonly ConstraintOpts<any>[] = readonly ConstraintOpts<any>[],
  Event extends boolean = boolean,
> = {
  readonly tableName: string | undefined;
  readonly rowType: RowBuilder<Row>;
  readonly rowSpacetimeType: AlgebraicTypeVariants.Product['value'];
  readonly idxs: Idx;
  readonly constraints: Cons;
  readonly isEvent: Event;
};

export type UntypedTableSchema = TableSchema<any, any, any, any>;

type IndexesOf<Opts> = Opts extends { indexes: infer I extends readonly IndexOpts<any>[] }
  ? I
  : readonly [];
type ConstraintsOf<Opts> = Opts extends {
  constraints: infer C extends readonly ConstraintOpts<any>[];
}
  ? C
  : readonly [];
type EventOf<Opts> = Opts extends { event: true } ? true : false;

export function table<Row extends RowObj, const Opts extends TableOpts<Row>>(
  opts: Opts,
  row: Row | RowBuilder<Row>
): TableSchema<CoerceRow<Row>, IndexesOf<Opts>, ConstraintsOf<Opts>, EventOf<Opts>> {
  const rowType = row instanceof RowBuilder ? row : new RowBuilder(row);
  const made: UntypedTableSchema = {
    tableName: opts.name,
    rowType,
    rowSpacetimeType: rowType.algebraicType.value,
    idxs: opts.indexes ?? [],
    constraints: opts.constraints ?? [],
    isEvent: opts.event === true,
  };
  return made;
}

export interface TableToSchema<AccName extends string, T extends UntypedTableSchema> {
  sourceName: string;
  accessorName: AccName;
  columns: T['rowType']['row'];
  rowType: T['rowSpacetimeType'];
  indexes: T['idxs'];
  resolvedIndexes: readonly UntypedIndex<any>[];
  constraints: T['constraints'];
  isEvent: T['isEvent'];
}

export type TablesToSchema<T extends Record<string, UntypedTableSchema>> = {
  tables: { readonly [AccName in keyof T & string]: TableToSchema<AccName, T[AccName]> };
};

export type UntypedSchemaDef = {
  tables: Record<string, UntypedTableDef>;
  namespaces?: Record<string, UntypedSchemaDef>;
};

export type TableNamesOf<S extends UntypedSchemaDef> = Values<S['tables']>['accessorName'];

export function columnsOfIndex(index: IndexOpts<any>): readonly string[] {
  return 'columns' in index ? index.columns : [index.column];
}

function sameColumns(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every(column => right.includes(column));
}

/** All indexes: those of single columns, then the declared ones, each under one accessor. */
function resolveIndexes(schema: UntypedTableSchema): UntypedIndex[] {
  const columns = schema.rowType.row as Columns;
  const metadata = (name: string): ColumnMetadata => columns[name]?.columnMetadata ?? {};
  const isUniqueColumn = (name: string): boolean =>
    metadata(name).isPrimaryKey === true || metadata(name).isUnique === true;
  const isUnique = (names: readonly string[]): boolean =>
    schema.constraints.some((it: ConstraintOpts<any>) => sameColumns(it.columns, names)) ||
    (names.length === 1 && isUniqueColumn(names[0]!));
  const resolved = new Map<string, UntypedIndex>();
  for (const name of Object.keys(columns)) {
    const { indexType } = metadata(name);
    if (indexType !== undefined || isUniqueColumn(name)) {
      const algorithm = indexType ?? 'btree';
      resolved.set(name, { name, unique: isUnique([name]), algorithm, columns: [name] });
    }
  }
  for (const index of schema.idxs as readonly IndexOpts<any>[]) {
    const names = columnsOfIndex(index);
    const name = index.accessor ?? index.name;
    if (name !== undefined) {
      const { algorithm } = index;
      resolved.set(name, { name, unique: isUnique(names), algorithm, columns: names });
    }
  }
  return [...resolved.values()];
}

/** The tables of a module, for `RemoteModule` and `makeQueryBuilder`. */
class Tables<S extends UntypedSchemaDef> {
  constructor(readonly schemaType: S) {}
}

export function schema<const H extends Record<string, UntypedTableSchema>>(
  tables: H
): Tables<TablesToSchema<H>> {
  const defs: Record<string, UntypedTableDef> = {};
  for (const accessorName of Object.keys(tables)) {
    const declared: UntypedTableSchema = tables[accessorName]!;
    defs[accessorName] = {
      sourceName: declared.tableName ?? accessorName,
      accessorName,
      columns: declared.rowType.row,
      rowType: declared.rowSpacetimeType,
      indexes: declared.idxs,
      resolvedIndexes: resolveIndexes(declared),
      constraints: declared.constraints,
      isEvent: declared.isEvent,
    };
  }
  return new Tables({ tables: defs } as unknown as TablesToSchema<H>);
}

/** The TypeScript type of a table's rows. */
export type RowType<TableDef extends Pick<UntypedTableDef, 'columns'>> = InferTypeOfRow<
  TableDef['columns']
>;

// What follows is only for the compiler: which indexes a table has, and how they are asked.

/** What of a table says which indexes it has. */
export type IndexedDef = Pick<UntypedTableDef, 'columns' | 'indexes' | 'constraints'>;

type ColumnsOf<I> = I extends { columns: infer C extends readonly string[] }
  ? readonly [...C]
  : I extends { column: infer C extends string }
    ? readonly [C]
    : never;

type MetadataUnique<M> = M extends { isPrimaryKey: true } | { isUnique: true } ? true : false;

type HasConstraint<Cons, Cols extends readonly string[]> = Cons extends readonly (infer C)[]
  ? C extends { columns: infer ConstraintCols extends readonly string[] }
    ? [...ConstraintCols] extends [...Cols]
      ? true
      : never
    : never
  : never;

type IsUnique<TableDef extends IndexedDef, Cols extends readonly string[]> =
  true extends HasConstraint<TableDef['constraints'], Cols>
    ? true
    : Cols extends readonly [infer Only extends string]
      ? MetadataUnique<TableDef['columns'][Only]['columnMetadata']>
      : false;

type IsIndexedColumn<M> = M extends { indexType: NonNullable<unknown> } ? true : MetadataUnique<M>;

type ColumnIndexNames<TableDef extends IndexedDef> = {
  [K in keyof TableDef['columns'] & string]: IsIndexedColumn<
    TableDef['columns'][K]['columnMetadata']
  > extends true
    ? K
    : never;
}[keyof TableDef['columns'] & string];

export type TableIndexes<TableDef extends IndexedDef> = {
  [K in ColumnIndexNames<TableDef>]: readonly [K];
} & {
  [I in TableDef['indexes'][number] as I['accessor'] & string]: ColumnsOf<I>;
};

type IndexValues<TableDef extends IndexedDef, Cols> = Cols extends readonly [
  infer Head extends string,
  ...infer Tail extends readonly string[],
]
  ? [TableDef['columns'][Head]['typeBuilder']['type'], ...IndexValues<TableDef, Tail>]
  : [];

/** A value for every column, or for the first ones; the last may be a range. */
type ScanBounds<Terms extends any[]> = Terms extends [infer Term]
  ? Term | Range<Term> | readonly [Term | Range<Term>]
  : Terms extends [...infer Prefix, infer Term]
    ? readonly [...Prefix, Term | Range<Term>] | ScanBounds<Prefix>
    : never;

export type UniqueIndexView<Row, Value> = {
  /** The row with this value, or null. */
  find(colVal: Value): Row | null;
};

export type RangedIndexView<Row, Bounds> = {
  /** The rows with these values, or with values in this range, in the order of the index. */
  filter(range: Bounds): IteratorObject<Row, undefined>;
};

type IndexView<TableDef extends IndexedDef, Cols extends readonly string[]> = (IsUnique<
  TableDef,
  Cols
> extends true
  ? UniqueIndexView<Prettify<RowType<TableDef>>, CollapseTuple<IndexValues<TableDef, Cols>>>
  : unknown) &
  RangedIndexView<Prettify<RowType<TableDef>>, ScanBounds<IndexValues<TableDef, Cols>>>;

/** The indexes of a table, under their accessors. */
export type ReadonlyIndexes<TableDef extends IndexedDef> = {
  readonly [K in keyof TableIndexes<TableDef>]: TableIndexes<TableDef>[K] extends infer Cols extends
    readonly string[]
    ? IndexView<TableDef, Cols>
    : never;
};
