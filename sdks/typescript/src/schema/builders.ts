// `t`: how bindings say what types and columns there are. A builder holds its type as data for the
// running program and as a TypeScript type for the compiler.
//
// The fields of an object may be getters, so that types can be declared in any order and contain
// themselves. They are read when a value is first written or read, not before.

import {
  AlgebraicType,
  type AlgebraicTypeVariants,
  type ProductTypeElement,
} from '../bsatn/algebraic_type.js';
import { UNIT, makeDeserializer, makeSerializer } from '../bsatn/codec.js';
import type BinaryReader from '../bsatn/reader.js';
import type BinaryWriter from '../bsatn/writer.js';
import { ConnectionId, type ConnectionIdAlgebraicType } from '../values/connection_id.js';
import { Identity, type IdentityAlgebraicType } from '../values/identity.js';
import { ScheduleAt, type ScheduleAtAlgebraicType } from '../values/schedule_at.js';
import {
  TimeDuration,
  type TimeDurationAlgebraicType,
  Timestamp,
  type TimestampAlgebraicType,
} from '../values/time.js';
import { Uuid, type UuidAlgebraicType } from '../values/uuid.js';
import type { Prettify, SetField } from './type_tools.js';

export type IndexTypes = 'btree' | 'direct' | 'hash' | undefined;

export type ColumnMetadata<Type = any> = {
  isPrimaryKey?: true;
  isUnique?: true;
  isAutoIncrement?: true;
  indexType?: IndexTypes;
  defaultValue?: Type;
  name?: string;
};

export type DefaultMetadata = object;

/** What can be said of a column, on top of its type. */
abstract class Describable<Type, ST extends AlgebraicType, M extends ColumnMetadata<Type>> {
  protected abstract with<N extends ColumnMetadata<any>>(more: object): ColumnBuilder<Type, ST, N>;

  index(): ColumnBuilder<Type, ST, SetField<M, 'indexType', 'btree'>>;
  index<N extends NonNullable<IndexTypes>>(
    algorithm: N
  ): ColumnBuilder<Type, ST, SetField<M, 'indexType', N>>;
  index(algorithm: IndexTypes = 'btree'): ColumnBuilder<Type, ST, any> {
    return this.with({ indexType: algorithm });
  }

  unique(): ColumnBuilder<Type, ST, SetField<M, 'isUnique', true>> {
    return this.with({ isUnique: true });
  }

  primaryKey(): ColumnBuilder<Type, ST, SetField<M, 'isPrimaryKey', true>> {
    return this.with({ isPrimaryKey: true });
  }

  autoInc(): ColumnBuilder<Type, ST, SetField<M, 'isAutoIncrement', true>> {
    return this.with({ isAutoIncrement: true });
  }

  default(value: Type): ColumnBuilder<Type, ST, SetField<M, 'defaultValue', Type>> {
    return this.with({ defaultValue: value });
  }

  /** The name of the column in the database, where it differs. */
  name<const Name extends string>(name: Name): ColumnBuilder<Type, ST, SetField<M, 'name', Name>> {
    return this.with({ name });
  }
}

export class TypeBuilder<Type, ST extends AlgebraicType> extends Describable<
  Type,
  ST,
  DefaultMetadata
> {
  /** For the compiler only. */
  declare readonly type: Type;
  readonly algebraicType: ST;

  constructor(algebraicType: ST) {
    super();
    this.algebraicType = algebraicType;
  }

  protected with(more: object): ColumnBuilder<Type, ST, any> {
    return new ColumnBuilder<Type, ST, any>(this, more);
  }

  optional(): OptionBuilder<this> {
    return new OptionBuilder(this);
  }

  serialize(writer: BinaryWriter, value: Type): void {
    makeSerializer(this.algebraicType)(writer, value);
  }

  deserialize(reader: BinaryReader): Type {
    return makeDeserializer(this.algebraicType)(reader);
  }
}

/** A type together with what is special about a column of it. */
export class ColumnBuilder<
  Type,
  ST extends AlgebraicType,
  M extends ColumnMetadata<Type> = DefaultMetadata,
> extends Describable<Type, ST, M> {
  typeBuilder: TypeBuilder<Type, ST>;
  columnMetadata: M;

  constructor(typeBuilder: TypeBuilder<Type, ST>, metadata: M) {
    super();
    this.typeBuilder = typeBuilder;
    this.columnMetadata = metadata;
  }

  protected with(more: object): ColumnBuilder<Type, ST, any> {
    return new ColumnBuilder<Type, ST, any>(this.typeBuilder, { ...this.columnMetadata, ...more });
  }

  serialize(writer: BinaryWriter, value: Type): void {
    this.typeBuilder.serialize(writer, value);
  }

  deserialize(reader: BinaryReader): Type {
    return this.typeBuilder.deserialize(reader);
  }
}

export type InferTypeOfTypeBuilder<T extends TypeBuilder<any, any>> =
  T extends TypeBuilder<infer U, any> ? Prettify<U> : never;

export type InferSpacetimeTypeOfTypeBuilder<T extends TypeBuilder<any, any>> =
  T extends TypeBuilder<any, infer U> ? U : never;

/** The TypeScript type of what a builder builds. */
export type Infer<T> = T extends RowObj
  ? InferTypeOfParams<T>
  : T extends TypeBuilder<any, any>
    ? InferTypeOfTypeBuilder<T>
    : never;

export type RowObj = Record<string, TypeBuilder<any, any> | ColumnBuilder<any, any, any>>;
export type ElementsObj = Record<string, TypeBuilder<any, any>>;
export type VariantsObj = Record<string, TypeBuilder<any, any>>;

export type CollapseColumn<T extends TypeBuilder<any, any> | ColumnBuilder<any, any, any>> =
  T extends ColumnBuilder<any, any, any> ? T['typeBuilder'] : T;

type OptionalKeys<T extends RowObj> = {
  [K in keyof T & string]-?: undefined extends InferTypeOfTypeBuilder<CollapseColumn<T[K]>>
    ? K
    : never;
}[keyof T & string];

/** A row has all of its columns, also those that hold nothing. */
export type InferTypeOfRow<T extends RowObj> = Prettify<{
  [K in keyof T & string]: InferTypeOfTypeBuilder<CollapseColumn<T[K]>>;
}>;

/** Parameters that may be nothing may be left out. */
export type InferTypeOfParams<T extends RowObj> = Prettify<
  {
    [K in Exclude<keyof T & string, OptionalKeys<T>>]: InferTypeOfTypeBuilder<CollapseColumn<T[K]>>;
  } & { [K in OptionalKeys<T>]?: InferTypeOfTypeBuilder<CollapseColumn<T[K]>> }
>;

type ObjectType<Elements extends ElementsObj> = {
  [K in keyof Elements]: InferTypeOfTypeBuilder<Elements[K]>;
};

export type CoerceColumn<Col extends TypeBuilder<any, any> | ColumnBuilder<any, any, any>> =
  Col extends TypeBuilder<infer T, infer U> ? ColumnBuilder<T, U, ColumnMetadata<any>> : Col;

/** A row whose columns are all column builders. */
export type CoerceRow<Row extends RowObj> = { [K in keyof Row & string]: CoerceColumn<Row[K]> };

type ProductOf = { tag: 'Product'; value: { elements: ProductTypeElement[] } };
type SumOf = AlgebraicTypeVariants.Sum;

/** A product whose elements are looked at when they are first needed. */
function lazyProduct(elements: () => ProductTypeElement[]): ProductOf {
  let known: ProductTypeElement[] | undefined;
  return {
    tag: 'Product',
    value: {
      get elements() {
        known ??= elements();
        return known;
      },
    },
  };
}

function elementsOf(types: ElementsObj): ProductTypeElement[] {
  return Object.keys(types).map(name => ({ name, algebraicType: types[name]!.algebraicType }));
}

export class ArrayBuilder<Element extends TypeBuilder<any, any>> extends TypeBuilder<
  InferTypeOfTypeBuilder<Element>[],
  AlgebraicTypeVariants.Array
> {
  element: Element;

  constructor(element: Element) {
    super({
      tag: 'Array',
      get value() {
        return element.algebraicType as AlgebraicType;
      },
    });
    this.element = element;
  }
}

export class ByteArrayBuilder extends TypeBuilder<Uint8Array, AlgebraicTypeVariants.Array> {
  constructor() {
    super(AlgebraicType.Array(AlgebraicType.U8));
  }
}

export class OptionBuilder<Value extends TypeBuilder<any, any>> extends TypeBuilder<
  InferTypeOfTypeBuilder<Value> | undefined,
  SumOf
> {
  value: Value;

  constructor(value: Value) {
    super(sumOf(() => ({ some: value, none: UNIT_BUILDER })));
    this.value = value;
  }
}

/** What a function can answer: a success or an error, each with its value. */
export type ResultValue<Ok, Err> = { ok: Ok; err?: undefined } | { err: Err; ok?: undefined };

export class ResultBuilder<
  Ok extends TypeBuilder<any, any>,
  Err extends TypeBuilder<any, any>,
> extends TypeBuilder<ResultValue<InferTypeOfTypeBuilder<Ok>, InferTypeOfTypeBuilder<Err>>, SumOf> {
  ok: Ok;
  err: Err;

  constructor(ok: Ok, err: Err) {
    super(sumOf(() => ({ ok, err })));
    this.ok = ok;
    this.err = err;
  }
}

export class ProductBuilder<Elements extends ElementsObj> extends TypeBuilder<
  ObjectType<Elements>,
  ProductOf
> {
  readonly typeName: string | undefined;
  readonly elements: Elements;

  constructor(elements: Elements, name?: string) {
    super(lazyProduct(() => elementsOf(elements)));
    this.elements = elements;
    this.typeName = name;
  }
}

export class UnitBuilder extends TypeBuilder<{}, { tag: 'Product'; value: { elements: [] } }> {
  constructor() {
    super({ tag: 'Product', value: { elements: [] } });
  }
}

const UNIT_BUILDER = new UnitBuilder();

export class RowBuilder<Row extends RowObj> extends TypeBuilder<InferTypeOfRow<Row>, ProductOf> {
  readonly row: CoerceRow<Row>;
  typeName: string | undefined;

  constructor(row: Row, name?: string) {
    const columns: { [name: string]: ColumnBuilder<any, any, any> } = {};
    for (const key of Object.keys(row)) {
      const column = row[key]!;
      columns[key] = column instanceof ColumnBuilder ? column : new ColumnBuilder(column, {});
    }
    super(
      lazyProduct(() =>
        Object.keys(columns).map(name => ({
          name,
          algebraicType: columns[name]!.typeBuilder.algebraicType,
        }))
      )
    );
    this.row = columns as CoerceRow<Row>;
    this.typeName = name;
  }
}

type IsUnit<B> = B extends UnitBuilder ? true : false;

type EnumValue<K extends string, B extends TypeBuilder<any, any>> =
  IsUnit<B> extends true ? { tag: K } : { tag: K; value: InferTypeOfTypeBuilder<B> };

type EnumType<Variants extends VariantsObj> = {
  [K in keyof Variants & string]: EnumValue<K, Variants[K]>;
}[keyof Variants & string];

type VariantConstructors<Variants extends VariantsObj> = {
  readonly [K in keyof Variants & string]: IsUnit<Variants[K]> extends true
    ? EnumValue<K, Variants[K]>
    : (value: InferTypeOfTypeBuilder<Variants[K]>) => EnumValue<K, Variants[K]>;
};

function sumOf(variants: () => VariantsObj): SumOf {
  let known: ProductTypeElement[] | undefined;
  return {
    tag: 'Sum',
    value: {
      get variants() {
        known ??= elementsOf(variants());
        return known;
      },
    },
  };
}

class SumBuilderBase<Variants extends VariantsObj> extends TypeBuilder<EnumType<Variants>, SumOf> {
  readonly variants: Variants;
  readonly typeName: string | undefined;

  constructor(variants: Variants, name?: string) {
    super(sumOf(() => variants));
    this.variants = variants;
    this.typeName = name;
    for (const tag of Object.keys(variants)) {
      // A variant may have the name of a method; then the method stays.
      if (!(tag in this)) {
        Object.defineProperty(this, tag, { get: () => variantConstructor(variants, tag) });
      }
    }
  }
}

function variantConstructor(variants: VariantsObj, tag: string): unknown {
  const type = variants[tag]!.algebraicType as AlgebraicType;
  const isUnit = type.tag === 'Product' && type.value.elements.length === 0;
  return isUnit ? { tag, value: UNIT } : (value: unknown) => ({ tag, value });
}

/** A sum; its variants can be made through it, as in `Shape.Circle(1)` and `Color.Red`. */
export type SumBuilder<Variants extends VariantsObj> = SumBuilderBase<Variants> &
  VariantConstructors<Variants>;

export const SumBuilder = SumBuilderBase as unknown as {
  new <Variants extends VariantsObj>(variants: Variants, name?: string): SumBuilder<Variants>;
};

export type SimpleSumBuilder<Variants extends Record<string, UnitBuilder>> = SumBuilder<Variants>;
export const SimpleSumBuilder = SumBuilder;

export class RefBuilder<Type, ST> extends TypeBuilder<Type, AlgebraicTypeVariants.Ref> {
  declare private readonly spacetimeType: ST;

  constructor(readonly ref: number) {
    super(AlgebraicType.Ref(ref));
  }
}

type Simple<Type, Tag extends string> = TypeBuilder<Type, Extract<AlgebraicType, { tag: Tag }>>;
export type BoolBuilder = Simple<boolean, 'Bool'>;
export type StringBuilder = Simple<string, 'String'>;
export type U8Builder = Simple<number, 'U8'>;
export type I8Builder = Simple<number, 'I8'>;
export type U16Builder = Simple<number, 'U16'>;
export type I16Builder = Simple<number, 'I16'>;
export type U32Builder = Simple<number, 'U32'>;
export type I32Builder = Simple<number, 'I32'>;
export type F32Builder = Simple<number, 'F32'>;
export type F64Builder = Simple<number, 'F64'>;
export type U64Builder = Simple<bigint, 'U64'>;
export type I64Builder = Simple<bigint, 'I64'>;
export type U128Builder = Simple<bigint, 'U128'>;
export type I128Builder = Simple<bigint, 'I128'>;
export type U256Builder = Simple<bigint, 'U256'>;
export type I256Builder = Simple<bigint, 'I256'>;
export type IdentityBuilder = TypeBuilder<Identity, IdentityAlgebraicType>;
export type ConnectionIdBuilder = TypeBuilder<ConnectionId, ConnectionIdAlgebraicType>;
export type TimestampBuilder = TypeBuilder<Timestamp, TimestampAlgebraicType>;
export type TimeDurationBuilder = TypeBuilder<TimeDuration, TimeDurationAlgebraicType>;
export type ScheduleAtBuilder = TypeBuilder<ScheduleAt, ScheduleAtAlgebraicType>;
export type UuidBuilder = TypeBuilder<Uuid, UuidAlgebraicType>;

/** A builder that is another one, made when it is first used. */
function lazy<Build extends () => TypeBuilder<any, any>>(thunk: Build): ReturnType<Build> {
  let made: object | undefined;
  return new Proxy(Object.create(TypeBuilder.prototype) as object, {
    get: (_, name) => {
      made ??= thunk();
      return Reflect.get(made, name, made) as unknown;
    },
    has: (_, name) => name in (made ??= thunk()),
  }) as ReturnType<Build>;
}

function object<Obj extends ElementsObj>(name: string, obj: Obj): ProductBuilder<Obj> {
  return new ProductBuilder(obj, name);
}

function row<Obj extends RowObj>(obj: Obj): RowBuilder<Obj>;
function row<Obj extends RowObj>(name: string, obj: Obj): RowBuilder<Obj>;
function row(nameOrRow: string | RowObj, obj?: RowObj): RowBuilder<RowObj> {
  return typeof nameOrRow === 'string'
    ? new RowBuilder(obj ?? {}, nameOrRow)
    : new RowBuilder(nameOrRow);
}

function sum<Case extends string>(
  name: string,
  cases: readonly Case[]
): SumBuilder<Record<Case, UnitBuilder>>;
function sum<Obj extends VariantsObj>(name: string, obj: Obj): SumBuilder<Obj>;
function sum(name: string, cases: readonly string[] | VariantsObj): SumBuilder<VariantsObj> {
  if (!Array.isArray(cases)) {
    return new SumBuilder(cases as VariantsObj, name);
  }
  return new SumBuilder(Object.fromEntries(cases.map(tag => [tag, UNIT_BUILDER])), name);
}

export const t = {
  bool: (): BoolBuilder => new TypeBuilder(AlgebraicType.Bool),
  string: (): StringBuilder => new TypeBuilder(AlgebraicType.String),
  number: (): F64Builder => new TypeBuilder(AlgebraicType.F64),
  u8: (): U8Builder => new TypeBuilder(AlgebraicType.U8),
  i8: (): I8Builder => new TypeBuilder(AlgebraicType.I8),
  u16: (): U16Builder => new TypeBuilder(AlgebraicType.U16),
  i16: (): I16Builder => new TypeBuilder(AlgebraicType.I16),
  u32: (): U32Builder => new TypeBuilder(AlgebraicType.U32),
  i32: (): I32Builder => new TypeBuilder(AlgebraicType.I32),
  u64: (): U64Builder => new TypeBuilder(AlgebraicType.U64),
  i64: (): I64Builder => new TypeBuilder(AlgebraicType.I64),
  u128: (): U128Builder => new TypeBuilder(AlgebraicType.U128),
  i128: (): I128Builder => new TypeBuilder(AlgebraicType.I128),
  u256: (): U256Builder => new TypeBuilder(AlgebraicType.U256),
  i256: (): I256Builder => new TypeBuilder(AlgebraicType.I256),
  f32: (): F32Builder => new TypeBuilder(AlgebraicType.F32),
  f64: (): F64Builder => new TypeBuilder(AlgebraicType.F64),
  byteArray: (): ByteArrayBuilder => new ByteArrayBuilder(),
  identity: (): IdentityBuilder => new TypeBuilder(Identity.getAlgebraicType()),
  connectionId: (): ConnectionIdBuilder => new TypeBuilder(ConnectionId.getAlgebraicType()),
  timestamp: (): TimestampBuilder => new TypeBuilder(Timestamp.getAlgebraicType()),
  timeDuration: (): TimeDurationBuilder => new TypeBuilder(TimeDuration.getAlgebraicType()),
  scheduleAt: (): ScheduleAtBuilder => new TypeBuilder(ScheduleAt.getAlgebraicType()),
  uuid: (): UuidBuilder => new TypeBuilder(Uuid.getAlgebraicType()),
  unit: (): UnitBuilder => UNIT_BUILDER,
  /** A type without values. */
  never: (): TypeBuilder<never, SumOf> => new TypeBuilder(sumOf(() => ({}))),
  object,
  row,
  enum: sum,
  array: <Element extends TypeBuilder<any, any>>(e: Element): ArrayBuilder<Element> =>
    new ArrayBuilder(e),
  option: <Value extends TypeBuilder<any, any>>(value: Value): OptionBuilder<Value> =>
    new OptionBuilder(value),
  result: <Ok extends TypeBuilder<any, any>, Err extends TypeBuilder<any, any>>(
    ok: Ok,
    err: Err
  ): ResultBuilder<Ok, Err> => new ResultBuilder(ok, err),
  lazy,
};

export default t;
