// Types as data, and what can be done with values of them: `codec.ts` writes and reads, `key.ts`
// makes them comparable. A type may refer to itself; then its object is part of itself.

import { makeDeserializer, makeSerializer } from './codec.js';
import { type Key, keyOfValue } from './key.js';
import BinaryReader from './reader.js';
import BinaryWriter from './writer.js';

export type ProductTypeElement = { name: string | undefined; algebraicType: AlgebraicType };
export type ProductTypeType = { elements: ProductTypeElement[] };
export type SumTypeVariant = { name: string | undefined; algebraicType: AlgebraicType };
export type SumTypeType = { variants: SumTypeVariant[] };

type Primitive<Tag extends string> = { tag: Tag };

export namespace AlgebraicTypeVariants {
  export type Ref = { tag: 'Ref'; value: number };
  export type Sum = { tag: 'Sum'; value: SumTypeType };
  export type Product = { tag: 'Product'; value: ProductTypeType };
  export type Array = { tag: 'Array'; value: AlgebraicType };
  export type String = Primitive<'String'>;
  export type Bool = Primitive<'Bool'>;
  export type I8 = Primitive<'I8'>;
  export type U8 = Primitive<'U8'>;
  export type I16 = Primitive<'I16'>;
  export type U16 = Primitive<'U16'>;
  export type I32 = Primitive<'I32'>;
  export type U32 = Primitive<'U32'>;
  export type I64 = Primitive<'I64'>;
  export type U64 = Primitive<'U64'>;
  export type I128 = Primitive<'I128'>;
  export type U128 = Primitive<'U128'>;
  export type I256 = Primitive<'I256'>;
  export type U256 = Primitive<'U256'>;
  export type F32 = Primitive<'F32'>;
  export type F64 = Primitive<'F64'>;
}

export type PrimitiveTag =
  | 'String'
  | 'Bool'
  | 'I8'
  | 'U8'
  | 'I16'
  | 'U16'
  | 'I32'
  | 'U32'
  | 'I64'
  | 'U64'
  | 'I128'
  | 'U128'
  | 'I256'
  | 'U256'
  | 'F32'
  | 'F64';

export type AlgebraicType =
  | AlgebraicTypeVariants.Ref
  | AlgebraicTypeVariants.Sum
  | AlgebraicTypeVariants.Product
  | AlgebraicTypeVariants.Array
  | { [Tag in PrimitiveTag]: Primitive<Tag> }[PrimitiveTag];

export type AlgebraicTypeType = AlgebraicType;
export type ProductType = ProductTypeType;
export type SumType = SumTypeType;
export type Typespace = { types: AlgebraicType[] };
export type ComparablePrimitive = number | string | boolean | bigint;

export type Serializer<T> = (writer: BinaryWriter, value: T) => void;
export type Deserializer<T> = (reader: BinaryReader) => T;

const primitive = <Tag extends PrimitiveTag>(tag: Tag): Primitive<Tag> => ({ tag });

export const AlgebraicType = {
  Ref: (value: number): AlgebraicTypeVariants.Ref => ({ tag: 'Ref', value }),
  Sum: <T extends SumTypeType>(value: T): { tag: 'Sum'; value: T } => ({ tag: 'Sum', value }),
  Product: <T extends ProductTypeType>(value: T): { tag: 'Product'; value: T } => ({
    tag: 'Product',
    value,
  }),
  Array: <T extends AlgebraicType>(value: T): { tag: 'Array'; value: T } => ({
    tag: 'Array',
    value,
  }),
  String: primitive('String'),
  Bool: primitive('Bool'),
  I8: primitive('I8'),
  U8: primitive('U8'),
  I16: primitive('I16'),
  U16: primitive('U16'),
  I32: primitive('I32'),
  U32: primitive('U32'),
  I64: primitive('I64'),
  U64: primitive('U64'),
  I128: primitive('I128'),
  U128: primitive('U128'),
  I256: primitive('I256'),
  U256: primitive('U256'),
  F32: primitive('F32'),
  F64: primitive('F64'),

  makeSerializer: (type: AlgebraicType, typespace?: Typespace): Serializer<any> =>
    makeSerializer(type, typespace),
  makeDeserializer: (type: AlgebraicType, typespace?: Typespace): Deserializer<any> =>
    makeDeserializer(type, typespace),

  serializeValue(
    writer: BinaryWriter,
    type: AlgebraicType,
    value: any,
    typespace?: Typespace
  ): void {
    makeSerializer(type, typespace)(writer, value);
  },

  deserializeValue(reader: BinaryReader, type: AlgebraicType, typespace?: Typespace): any {
    return makeDeserializer(type, typespace)(reader);
  },

  /** Something that is the same for equal values of this type, and for no others. */
  intoMapKey: (type: AlgebraicType, value: any): Key => keyOfValue(type, value),
};

const product = (value: ProductTypeType): AlgebraicType => ({ tag: 'Product', value });
const sum = (value: SumTypeType): AlgebraicType => ({ tag: 'Sum', value });

/** As `AlgebraicType`, for what is known to be a product. */
export const ProductType = {
  makeSerializer: (type: ProductTypeType, typespace?: Typespace): Serializer<any> =>
    makeSerializer(product(type), typespace),
  makeDeserializer: (type: ProductTypeType, typespace?: Typespace): Deserializer<any> =>
    makeDeserializer(product(type), typespace),
  intoMapKey: (type: ProductTypeType, value: any): Key => keyOfValue(product(type), value),
};

/** As `AlgebraicType`, for what is known to be a sum. */
export const SumType = {
  makeSerializer: (type: SumTypeType, typespace?: Typespace): Serializer<any> =>
    makeSerializer(sum(type), typespace),
  makeDeserializer: (type: SumTypeType, typespace?: Typespace): Deserializer<any> =>
    makeDeserializer(sum(type), typespace),
};

/** The type of values that may be missing. */
export const Option = {
  getAlgebraicType: (innerType: AlgebraicType): AlgebraicTypeVariants.Sum => ({
    tag: 'Sum',
    value: {
      variants: [
        { name: 'some', algebraicType: innerType },
        { name: 'none', algebraicType: product({ elements: [] }) },
      ],
    },
  }),
};

/** The type of successes and errors. */
export const Result = {
  getAlgebraicType: (okType: AlgebraicType, errType: AlgebraicType): AlgebraicTypeVariants.Sum => ({
    tag: 'Sum',
    value: {
      variants: [
        { name: 'ok', algebraicType: okType },
        { name: 'err', algebraicType: errType },
      ],
    },
  }),
};

/** What has a way of its own to be read, as type builders have. */
export interface ParseableType<T> {
  deserialize: (reader: BinaryReader) => T;
}

export function parseValue<T>(type: ParseableType<T>, src: Uint8Array): T {
  return type.deserialize(new BinaryReader(src));
}

export { BinaryReader, BinaryWriter };
