// Queries that are built instead of written: `tables.user.where(row => row.online.eq(true))`.
// They become SQL for the server, and predicates for rows that are here already.

import { comparePrimitives } from '../bsatn/compare.js';
import type { AlgebraicType } from '../bsatn/algebraic_type.js';
import { ConnectionId } from '../values/connection_id.js';
import { Identity } from '../values/identity.js';
import { TimeDuration, Timestamp } from '../values/time.js';
import { Uuid } from '../values/uuid.js';
import type { ColumnBuilder } from './builders.js';
import type {
  RowType,
  TableIndexes,
  TableNamesOf,
  UntypedSchemaDef,
  UntypedTableDef,
} from './tables.js';
import type { Values } from './type_tools.js';

export type TypedTableDef = Pick<
  UntypedTableDef,
  'sourceName' | 'accessorName' | 'columns' | 'indexes' | 'rowType' | 'constraints'
>;

export type LiteralValue =
  string | number | bigint | boolean | Identity | Uuid | Timestamp | ConnectionId;

type Literal = { type: 'literal'; value: LiteralValue };
type Comparison = 'eq' | 'ne' | 'lt' | 'lte' | 'gt' | 'gte';
type Operand = Literal | ColumnExpression<any, any>;

export type BooleanExprData =
  | { type: Comparison; left: Operand; right: Operand }
  | { type: 'and' | 'or'; clauses: readonly BooleanExprData[] }
  | { type: 'not'; clause: BooleanExprData }
  | { type: 'constant'; value: boolean };

const OPERATORS: { [C in Comparison]: string } = {
  eq: '=',
  ne: '<>',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
};

export function literal<Value extends LiteralValue>(
  value: Value
): { type: 'literal'; value: Value } {
  return { type: 'literal', value };
}

/** A condition on the rows of a table. */
export class BooleanExpr<Table extends TypedTableDef> {
  declare readonly tableType?: Table;

  constructor(readonly data: BooleanExprData) {}

  and(other: BooleanExpr<Table>): BooleanExpr<Table> {
    return and(this, other);
  }

  or(other: BooleanExpr<Table>): BooleanExpr<Table> {
    return or(this, other);
  }

  not(): BooleanExpr<Table> {
    return not(this);
  }
}

export function not<T extends TypedTableDef>(clause: BooleanExpr<T>): BooleanExpr<T> {
  return new BooleanExpr({ type: 'not', clause: clause.data });
}

export function and<T extends TypedTableDef>(
  first: BooleanExpr<T>,
  second: BooleanExpr<T>,
  ...rest: readonly BooleanExpr<T>[]
): BooleanExpr<T> {
  const clauses = [first, second, ...rest].map(clause => clause.data);
  return new BooleanExpr({ type: 'and', clauses });
}

export function or<T extends TypedTableDef>(
  first: BooleanExpr<T>,
  second: BooleanExpr<T>,
  ...rest: readonly BooleanExpr<T>[]
): BooleanExpr<T> {
  const clauses = [first, second, ...rest].map(clause => clause.data);
  return new BooleanExpr({ type: 'or', clauses });
}

type ColumnNames<TableDef extends TypedTableDef> = keyof TableDef['columns'] & string;
type ColumnType<TableDef extends TypedTableDef, Name extends ColumnNames<TableDef>> =
  TableDef['columns'][Name] extends ColumnBuilder<infer T, any, any> ? T : never;
type Comparable<T> = Exclude<T, undefined> & LiteralValue;

/** A column of a table, to be compared with a value or another column. */
export class ColumnExpression<TableDef extends TypedTableDef, Name extends ColumnNames<TableDef>> {
  readonly type = 'column';

  constructor(
    readonly table: string,
    /** As rows have it. */
    readonly column: Name,
    readonly spacetimeType: AlgebraicType,
    /** As the database has it. */
    readonly columnName: string = column
  ) {}

  private compare(type: Comparison, other: unknown): BooleanExpr<any> {
    const right = other instanceof ColumnExpression ? other : literal(other as LiteralValue);
    return new BooleanExpr({ type, left: this, right });
  }

  eq(value: Comparable<ColumnType<TableDef, Name>>): BooleanExpr<TableDef>;
  eq<Other extends ColumnExpression<any, any>>(value: Other): BooleanExpr<any>;
  eq(value: unknown): BooleanExpr<any> {
    return this.compare('eq', value);
  }

  ne(value: Comparable<ColumnType<TableDef, Name>>): BooleanExpr<TableDef>;
  ne<Other extends ColumnExpression<any, any>>(value: Other): BooleanExpr<any>;
  ne(value: unknown): BooleanExpr<any> {
    return this.compare('ne', value);
  }

  lt(value: Comparable<ColumnType<TableDef, Name>>): BooleanExpr<TableDef>;
  lt<Other extends ColumnExpression<any, any>>(value: Other): BooleanExpr<any>;
  lt(value: unknown): BooleanExpr<any> {
    return this.compare('lt', value);
  }

  lte(value: Comparable<ColumnType<TableDef, Name>>): BooleanExpr<TableDef>;
  lte<Other extends ColumnExpression<any, any>>(value: Other): BooleanExpr<any>;
  lte(value: unknown): BooleanExpr<any> {
    return this.compare('lte', value);
  }

  gt(value: Comparable<ColumnType<TableDef, Name>>): BooleanExpr<TableDef>;
  gt<Other extends ColumnExpression<any, any>>(value: Other): BooleanExpr<any>;
  gt(value: unknown): BooleanExpr<any> {
    return this.compare('gt', value);
  }

  gte(value: Comparable<ColumnType<TableDef, Name>>): BooleanExpr<TableDef>;
  gte<Other extends ColumnExpression<any, any>>(value: Other): BooleanExpr<any>;
  gte(value: unknown): BooleanExpr<any> {
    return this.compare('gte', value);
  }
}

export type ColumnExpr<
  TableDef extends TypedTableDef,
  Name extends ColumnNames<TableDef>,
> = ColumnExpression<TableDef, Name>;

/** Stands for a row in a filter. */
export type RowExpr<TableDef extends TypedTableDef> = {
  readonly [C in ColumnNames<TableDef>]: ColumnExpression<TableDef, C>;
};

type FirstColumn<Cols> = Cols extends readonly [infer Head extends string, ...unknown[]]
  ? Head
  : never;

export type IndexedColumnNames<TableDef extends TypedTableDef> = FirstColumn<
  Values<TableIndexes<TableDef>>
> &
  ColumnNames<TableDef>;

/** The columns of a row that tables can be joined by: those that an index begins with. */
export type IndexedRowExpr<TableDef extends TypedTableDef> = {
  readonly [C in IndexedColumnNames<TableDef>]: ColumnExpression<TableDef, C>;
};

type Predicate<TableDef extends TypedTableDef> =
  BooleanExpr<TableDef> | ColumnExpression<TableDef, any> | boolean;

const QUERY: unique symbol = Symbol('query');

export interface RowTypedQuery<Row, ST> {
  readonly [QUERY]: QueryParts;
  readonly __row?: Row;
  readonly __algebraicType?: ST;
}

/** A query for rows of a table. */
export interface Query<TableDef extends TypedTableDef> extends RowTypedQuery<
  RowType<TableDef>,
  TableDef['rowType']
> {
  readonly __table?: TableDef;
  toSql(): string;
}

export type TableTypedQuery<TableDef extends TypedTableDef> = Query<TableDef>;

export interface SemijoinBuilder<TableDef extends TypedTableDef> extends Query<TableDef> {
  where(predicate: (row: RowExpr<TableDef>) => Predicate<TableDef>): SemijoinBuilder<TableDef>;
  build(): Query<TableDef>;
}

export interface From<TableDef extends TypedTableDef> extends Query<TableDef> {
  where(predicate: (row: RowExpr<TableDef>) => Predicate<TableDef>): From<TableDef>;
  /** The rows of the other table that have a partner here. */
  rightSemijoin<Right extends TypedTableDef>(
    other: TableRef<Right>,
    on: (left: IndexedRowExpr<TableDef>, right: IndexedRowExpr<Right>) => BooleanExpr<any>
  ): SemijoinBuilder<Right>;
  /** The rows of this table that have a partner in the other. */
  leftSemijoin<Right extends TypedTableDef>(
    other: TableRef<Right>,
    on: (left: IndexedRowExpr<TableDef>, right: IndexedRowExpr<Right>) => BooleanExpr<any>
  ): SemijoinBuilder<TableDef>;
  build(): Query<TableDef>;
}

export interface TableRef<TableDef extends TypedTableDef> {
  readonly type: 'table';
  readonly sourceName: string;
  readonly accessorName: string;
  readonly cols: RowExpr<TableDef>;
  readonly indexedCols: IndexedRowExpr<TableDef>;
  readonly tableDef: TableDef;
  readonly columns: TableDef['columns'];
  readonly indexes: TableDef['indexes'];
  readonly rowType: TableDef['rowType'];
  readonly constraints: TableDef['constraints'];
}

export type QueryBuilder<SchemaDef extends UntypedSchemaDef> = {
  readonly [Tbl in Values<SchemaDef['tables']> as Tbl['accessorName']]: TableRef<Tbl> & From<Tbl>;
} & {};

export type NamespacedQueryBuilder<SchemaDef extends UntypedSchemaDef> = QueryBuilder<SchemaDef> & {
  readonly [NS in keyof NonNullable<SchemaDef['namespaces']>]: NonNullable<
    SchemaDef['namespaces']
  >[NS] extends UntypedSchemaDef
    ? QueryBuilder<NonNullable<SchemaDef['namespaces']>[NS]>
    : never;
};

export type TableNames<SchemaDef extends UntypedSchemaDef> = TableNamesOf<SchemaDef> & string;

type Join = {
  left: TableRef<any>;
  right: TableRef<any>;
  on: BooleanExprData;
  keep: 'left' | 'right';
};

/** What a query is made of; `where` of a join are conditions on either side. */
type QueryParts = { table: TableRef<any>; join?: Join; where: readonly BooleanExprData[] };

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A name with dots is that of a table in a submodule; each part is quoted on its own. */
function quoteTable(name: string): string {
  return name.split('.').map(quote).join('.');
}

function literalToSql(value: unknown): string {
  switch (typeof value) {
    case 'boolean':
      return value ? 'TRUE' : 'FALSE';
    case 'bigint':
      return String(value);
    case 'number':
      if (!Number.isFinite(value)) {
        throw new RangeError(`SQL has no literal for ${value}`);
      }
      return String(value);
    case 'string':
      return `'${value.replaceAll("'", "''")}'`;
  }
  if (value instanceof Identity || value instanceof ConnectionId || value instanceof Uuid) {
    return `0x${value.toHexString()}`;
  }
  if (value instanceof Timestamp) {
    return `'${value.toISOString()}'`;
  }
  throw new TypeError(`a query cannot compare with ${value === null ? 'null' : typeof value}`);
}

function operandToSql(operand: Operand): string {
  return operand.type === 'literal'
    ? literalToSql(operand.value)
    : `${quoteTable(operand.table)}.${quote(operand.columnName)}`;
}

function exprToSql(expr: BooleanExprData): string {
  switch (expr.type) {
    case 'and':
    case 'or':
      return expr.clauses
        .map(clause => `(${exprToSql(clause)})`)
        .join(expr.type === 'and' ? ' AND ' : ' OR ');
    case 'not':
      return `NOT (${exprToSql(expr.clause)})`;
    case 'constant':
      return expr.value ? 'TRUE = TRUE' : 'FALSE = TRUE';
    default:
      return `${operandToSql(expr.left)} ${OPERATORS[expr.type]} ${operandToSql(expr.right)}`;
  }
}

function whereToSql(where: readonly BooleanExprData[]): string {
  if (where.length === 0) {
    return '';
  }
  const clauses = where.length === 1 ? where : [{ type: 'and', clauses: where } as const];
  return ` WHERE ${exprToSql(clauses[0]!)}`;
}

/** What is kept is looked up from the other table, which is named first. */
function partsToSql({ table, join, where }: QueryParts): string {
  if (join === undefined) {
    return `SELECT * FROM ${quoteTable(table.sourceName)}${whereToSql(where)}`;
  }
  const kept = quoteTable(join[join.keep].sourceName);
  const other = quoteTable((join.keep === 'left' ? join.right : join.left).sourceName);
  const on = exprToSql(join.on);
  return `SELECT ${kept}.* FROM ${other} JOIN ${kept} ON ${on}${whereToSql(where)}`;
}

function toExpr(predicate: Predicate<any>): BooleanExprData {
  if (typeof predicate === 'boolean') {
    return { type: 'constant', value: predicate };
  }
  return predicate instanceof ColumnExpression
    ? { type: 'eq', left: predicate, right: literal(true) }
    : predicate.data;
}

class SemijoinImpl {
  readonly [QUERY]: QueryParts;

  constructor(parts: QueryParts) {
    this[QUERY] = parts;
  }

  toSql(): string {
    return partsToSql(this[QUERY]);
  }

  where(predicate: (row: RowExpr<any>) => Predicate<any>): SemijoinImpl {
    const parts = this[QUERY];
    const condition = toExpr(predicate(parts.table.cols));
    return new SemijoinImpl({ ...parts, where: [...parts.where, condition] });
  }

  build(): SemijoinImpl {
    return this;
  }
}

class FromImpl {
  readonly [QUERY]: QueryParts;

  constructor(parts: QueryParts) {
    this[QUERY] = parts;
  }

  toSql(): string {
    return partsToSql(this[QUERY]);
  }

  where(predicate: (row: RowExpr<any>) => Predicate<any>): FromImpl {
    const { table, where } = this[QUERY];
    return new FromImpl({ table, where: [...where, toExpr(predicate(table.cols))] });
  }

  private semijoin(
    keep: 'left' | 'right',
    right: TableRef<any>,
    on: (left: any, right: any) => BooleanExpr<any>
  ): SemijoinImpl {
    const { table: left, where } = this[QUERY];
    const condition = on(left.indexedCols, right.indexedCols).data;
    if (condition.type !== 'eq') {
      throw new TypeError('tables are joined by one equality; put other conditions into where');
    }
    const table = keep === 'left' ? left : right;
    return new SemijoinImpl({ table, join: { left, right, on: condition, keep }, where });
  }

  leftSemijoin(
    right: TableRef<any>,
    on: (left: any, right: any) => BooleanExpr<any>
  ): SemijoinImpl {
    return this.semijoin('left', right, on);
  }

  rightSemijoin(
    right: TableRef<any>,
    on: (left: any, right: any) => BooleanExpr<any>
  ): SemijoinImpl {
    return this.semijoin('right', right, on);
  }

  build(): FromImpl {
    return this;
  }
}

/** A table in queries: it is a reference to the table, and the query for all of its rows. */
class TableQuery extends FromImpl {
  readonly type = 'table';
  readonly sourceName: string;
  readonly accessorName: string;
  readonly cols: RowExpr<any>;
  readonly indexedCols: RowExpr<any>;
  readonly columns: UntypedTableDef['columns'];
  readonly indexes: UntypedTableDef['indexes'];
  readonly rowType: UntypedTableDef['rowType'];
  readonly constraints: UntypedTableDef['constraints'];

  constructor(readonly tableDef: TypedTableDef) {
    const parts: { table: TableRef<any>; where: BooleanExprData[] } = {
      table: undefined as unknown as TableRef<any>,
      where: [],
    };
    super(parts);
    parts.table = this as unknown as TableRef<any>;
    this.sourceName = tableDef.sourceName;
    this.accessorName = tableDef.accessorName;
    this.columns = tableDef.columns;
    this.indexes = tableDef.indexes;
    this.rowType = tableDef.rowType;
    this.constraints = tableDef.constraints;
    const cols: Record<string, ColumnExpression<any, any>> = {};
    for (const name of Object.keys(tableDef.columns)) {
      const { typeBuilder, columnMetadata } = tableDef.columns[name]!;
      const type = typeBuilder.algebraicType as AlgebraicType;
      const column = columnMetadata.name ?? name;
      cols[name] = new ColumnExpression(tableDef.sourceName, name, type, column);
    }
    this.cols = cols;
    this.indexedCols = cols;
  }
}

export function createTableRefFromDef<TableDef extends TypedTableDef>(
  tableDef: TableDef
): TableRef<TableDef> & From<TableDef> {
  return new TableQuery(tableDef) as unknown as TableRef<TableDef> & From<TableDef>;
}

/** An object with a query for every table; those of submodules are one level down. */
export function makeQueryBuilder<SchemaDef extends UntypedSchemaDef>(
  schema: SchemaDef
): QueryBuilder<SchemaDef> {
  return makeFromBuilder<SchemaDef>(schema.tables);
}

export function makeFromBuilder<SchemaDef extends UntypedSchemaDef>(
  tables: SchemaDef['tables']
): NamespacedQueryBuilder<SchemaDef> {
  const root: Record<string, any> = {};
  for (const key of Object.keys(tables)) {
    const query = createTableRefFromDef(tables[key]!);
    root[key] = query;
    const path = key.split('.');
    let place = root;
    for (const part of path.slice(0, -1)) {
      place = place[part] ??= {};
    }
    place[path.at(-1)!] = query;
  }
  return root as NamespacedQueryBuilder<SchemaDef>;
}

export const isRowTypedQuery = (val: unknown): val is RowTypedQuery<any, any> =>
  typeof val === 'object' && val !== null && QUERY in val;

export const isTypedQuery = (val: unknown): val is TableTypedQuery<any> => isRowTypedQuery(val);

function partsOf(query: unknown): QueryParts {
  if (!isRowTypedQuery(query)) {
    throw new TypeError('this is not a query; build one from `tables`');
  }
  return query[QUERY];
}

export function toSql(q: RowTypedQuery<any, any>): string {
  return partsToSql(partsOf(q));
}

/** The table of the rows that a query is for, as SQL knows it. */
export function getQueryTableName(query: unknown): string {
  return partsOf(query).table.sourceName;
}

/** The same, as `db` has it. */
export function getQueryAccessorName(query: unknown): string {
  return partsOf(query).table.accessorName;
}

/** Whether which rows belong to a query depends on another table. */
export function isSemijoin(query: unknown): boolean {
  return partsOf(query).join !== undefined;
}

/** What the rows of a query have to fulfil, as far as it is about them alone. */
export function getQueryWhereClause(query: unknown): BooleanExpr<any> | undefined {
  const { where } = partsOf(query);
  if (where.length === 0) {
    return undefined;
  }
  return new BooleanExpr(where.length === 1 ? where[0]! : { type: 'and', clauses: where });
}

/** Something that `<` and `===` compare as the server compares the value. */
export function toComparableValue(value: any): any {
  if (value instanceof Identity) {
    return value.__identity__;
  }
  if (value instanceof ConnectionId) {
    return value.__connection_id__;
  }
  if (value instanceof Timestamp) {
    return value.microsSinceUnixEpoch;
  }
  if (value instanceof TimeDuration) {
    return value.micros;
  }
  return value instanceof Uuid ? value.asBigInt() : value;
}

function compareValues(type: Comparison, left: any, right: any): boolean {
  if (left === undefined || right === undefined) {
    return false;
  }
  // Numbers and bigints meet where a wide column is compared with a number.
  const order = left == right ? 0 : comparePrimitives(left, right);
  switch (type) {
    case 'eq':
      return order === 0;
    case 'ne':
      return order !== 0;
    case 'lt':
      return order < 0;
    case 'lte':
      return order <= 0;
    case 'gt':
      return 0 < order;
    case 'gte':
      return 0 <= order;
  }
}

function evaluate(expr: BooleanExprData, row: Record<string, any>): boolean {
  const valueOf = (operand: Operand): any =>
    toComparableValue(operand.type === 'literal' ? operand.value : row[operand.column]);
  switch (expr.type) {
    case 'and':
      return expr.clauses.every(clause => evaluate(clause, row));
    case 'or':
      return expr.clauses.some(clause => evaluate(clause, row));
    case 'not':
      return !evaluate(expr.clause, row);
    case 'constant':
      return expr.value;
    default:
      return compareValues(expr.type, valueOf(expr.left), valueOf(expr.right));
  }
}

/** Whether a row fulfils a condition. */
export function evaluateBooleanExpr(expr: BooleanExpr<any>, row: Record<string, any>): boolean {
  return evaluate(expr.data, row);
}
