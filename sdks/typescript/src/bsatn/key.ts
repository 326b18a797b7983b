// Keys: what stands for a value in a Map. They are made from the bytes of a value, so that a row's
// key can be found without reading the row. Equal values of one type have equal keys, others not.
//
// A number up to 32 bits is its own key; of 64 bits, it is a number as far as these are exact, a
// bigint beyond; text is its own key; of anything else the bytes are, as a string of their codes.

import type { AlgebraicType } from './algebraic_type.js';
import { makeSerializer } from './codec.js';
import BinaryReader from './reader.js';
import BinaryWriter from './writer.js';

export type Key = number | bigint | string;

/** Reads a value and returns its key. */
export type KeyReader = (reader: BinaryReader) => Key;

/** Moves a reader over a value. */
type Skip = (reader: BinaryReader) => void;

/** How many arguments a call certainly takes. */
const ARGUMENTS_MAX = 4096;

/** How many nested types are looked into to find that a type has a fixed length. */
const DEPTH_MAX = 16;

/** The bytes as a string with one character for each. */
export function binaryString(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at += ARGUMENTS_MAX) {
    const part = bytes.subarray(at, Math.min(end, at + ARGUMENTS_MAX));
    text += String.fromCharCode.apply(null, part as unknown as number[]);
  }
  return text;
}

const TWO_TO_32 = 0x1_0000_0000;
const HIGH_EXACT_MAX = 0x20_0000;
const BIGINT_EXACT_MAX = 2n ** 53n;

function readUnsigned64(reader: BinaryReader): Key {
  const at = reader.skip(8);
  const high = reader.view.getUint32(at + 4, true);
  return high < HIGH_EXACT_MAX
    ? high * TWO_TO_32 + reader.view.getUint32(at, true)
    : reader.view.getBigUint64(at, true);
}

function readSigned64(reader: BinaryReader): Key {
  const at = reader.skip(8);
  const high = reader.view.getInt32(at + 4, true);
  return -HIGH_EXACT_MAX <= high && high < HIGH_EXACT_MAX
    ? high * TWO_TO_32 + reader.view.getUint32(at, true)
    : reader.view.getBigInt64(at, true);
}

/** A function that reads the key of a value of this type. */
export function keyReaderOf(type: AlgebraicType): KeyReader {
  switch (type.tag) {
    case 'U8':
    case 'Bool':
      return reader => reader.readU8();
    case 'I8':
      return reader => reader.readI8();
    case 'U16':
      return reader => reader.readU16();
    case 'I16':
      return reader => reader.readI16();
    case 'U32':
      return reader => reader.readU32();
    case 'I32':
      return reader => reader.readI32();
    case 'U64':
      return readUnsigned64;
    case 'I64':
      return readSigned64;
    case 'String':
      return reader => reader.readString();
    case 'Product':
      if (type.value.elements.length === 1) {
        return keyReaderOf(type.value.elements[0]!.algebraicType);
      }
  }
  const skip = skipOf(type);
  return reader => {
    const start = reader.offset;
    skip(reader);
    return binaryString(reader.bytes, start, reader.offset);
  };
}

/** A function from a value to the key that its bytes have. */
export function keyMakerOf(type: AlgebraicType): (value: any) => Key {
  switch (type.tag) {
    case 'U8':
    case 'I8':
    case 'U16':
    case 'I16':
    case 'U32':
    case 'I32':
      return value => (typeof value === 'number' ? value : mismatch(type, value));
    case 'String':
      return value => (typeof value === 'string' ? value : mismatch(type, value));
    case 'U64':
    case 'I64':
      return value =>
        typeof value !== 'bigint'
          ? mismatch(type, value)
          : -BIGINT_EXACT_MAX <= value && value < BIGINT_EXACT_MAX
            ? Number(value)
            : value;
    case 'Product':
      if (type.value.elements.length === 1) {
        const { name, algebraicType } = type.value.elements[0]!;
        const inner = keyMakerOf(algebraicType);
        return value => inner(value?.[name ?? '0']);
      }
  }
  const write = makeSerializer(type);
  const read = keyReaderOf(type);
  const writer = new BinaryWriter(64);
  return value => {
    writer.clear();
    write(writer, value);
    return read(new BinaryReader(writer.getBuffer()));
  };
}

function mismatch(type: AlgebraicType, value: unknown): never {
  throw new TypeError(`a key of type ${type.tag} cannot be a ${typeof value}`);
}

export function keyOfValue(type: AlgebraicType, value: unknown): Key {
  return keyMakerOf(type)(value);
}

/** A function that reads the key of one element of a product, and leaves the rest. */
export function elementKeyReader(
  elements: { algebraicType: AlgebraicType }[],
  at: number
): KeyReader {
  const read = keyReaderOf(elements[at]!.algebraicType);
  const before = elements.slice(0, at).map(element => element.algebraicType);
  if (before.length === 0) {
    return read;
  }
  const skip = sequence(before);
  return reader => {
    skip(reader);
    return read(reader);
  };
}

const FIXED_BYTES: { [tag: string]: number } = {
  Bool: 1,
  U8: 1,
  I8: 1,
  U16: 2,
  I16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
  U128: 16,
  I128: 16,
  U256: 32,
  I256: 32,
};

/** How many bytes every value of the type has, or undefined if they differ or may differ. */
export function fixedBytesOf(type: AlgebraicType, depth = 0): number | undefined {
  if (DEPTH_MAX < depth) {
    return undefined;
  }
  if (type.tag === 'Product') {
    let sum = 0;
    for (const element of type.value.elements) {
      const bytes = fixedBytesOf(element.algebraicType, depth + 1);
      if (bytes === undefined) {
        return undefined;
      }
      sum += bytes;
    }
    return sum;
  }
  if (type.tag === 'Sum') {
    const payloads = type.value.variants.map(v => fixedBytesOf(v.algebraicType, depth + 1));
    const first = payloads[0];
    return first !== undefined && payloads.every(bytes => bytes === first) ? 1 + first : undefined;
  }
  return FIXED_BYTES[type.tag];
}

function sequence(types: AlgebraicType[]): Skip {
  const skips: Skip[] = [];
  let fixed = 0;
  const flush = (): void => {
    if (0 < fixed) {
      const bytes = fixed;
      skips.push(reader => void reader.skip(bytes));
      fixed = 0;
    }
  };
  for (const type of types) {
    const bytes = fixedBytesOf(type);
    if (bytes !== undefined) {
      fixed += bytes;
    } else {
      flush();
      skips.push(skipOf(type));
    }
  }
  flush();
  if (skips.length === 1) {
    return skips[0]!;
  }
  return reader => {
    for (const skip of skips) {
      skip(reader);
    }
  };
}

const skips = new WeakMap<AlgebraicType, Skip>();

function skipOf(type: AlgebraicType): Skip {
  const known = skips.get(type);
  if (known !== undefined) {
    return known;
  }
  skips.set(type, reader => made(reader));
  const made = makeSkip(type);
  skips.set(type, made);
  return made;
}

function makeSkip(type: AlgebraicType): Skip {
  const fixed = fixedBytesOf(type);
  if (fixed !== undefined) {
    return reader => void reader.skip(fixed);
  }
  switch (type.tag) {
    case 'String':
      return reader => void reader.skip(reader.readU32());
    case 'Product':
      return sequence(type.value.elements.map(element => element.algebraicType));
    case 'Array': {
      const bytes = fixedBytesOf(type.value);
      if (bytes !== undefined) {
        return reader => void reader.skip(reader.readU32() * bytes);
      }
      const skip = skipOf(type.value);
      return reader => {
        const count = reader.readU32();
        for (let at = 0; at < count; at += 1) {
          skip(reader);
        }
      };
    }
    case 'Sum': {
      const payloads = type.value.variants.map(variant => skipOf(variant.algebraicType));
      return reader => {
        const tag = reader.readU8();
        const skip = payloads[tag];
        if (skip === undefined) {
          throw new RangeError(`the tag ${tag} is not one of ${payloads.length}`);
        }
        skip(reader);
      };
    }
    default:
      throw new TypeError(`a value of ${type.tag} cannot be skipped`);
  }
}
