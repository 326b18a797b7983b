// Functions that write and read values of a type. They are made once for each type object, from
// closures (no code is made from text, so no content security policy is in their way).
//
// Values: numbers up to 32 bits and floats are `number`, wider ones `bigint`; an array of u8 is a
// Uint8Array; a product is an object; a sum `{ tag, value }`; an option the value or undefined; a
// result `{ ok }` or `{ err }`; the special types are instances of their classes.

import { ConnectionId } from '../values/connection_id.js';
import { Identity } from '../values/identity.js';
import { TimeDuration, Timestamp } from '../values/time.js';
import { Uuid } from '../values/uuid.js';
import type {
  AlgebraicType,
  Deserializer,
  PrimitiveTag,
  ProductTypeType,
  Serializer,
  SumTypeType,
  Typespace,
} from './algebraic_type.js';
import type BinaryReader from './reader.js';
import type BinaryWriter from './writer.js';

/** How many elements without any bytes an array may have: nothing else bounds them. */
const EMPTY_ELEMENTS_MAX = 1 << 20;

/** The value of every variant without data. */
export const UNIT: Readonly<Record<string, never>> = Object.freeze({});

type Codec<T = any> = { write: Serializer<T>; read: Deserializer<T> };

/** One cache for types without a typespace, and one for each typespace. */
const codecs = new WeakMap<object, WeakMap<AlgebraicType, Codec>>();
const NO_TYPESPACE: Typespace = { types: [] };

export function makeSerializer(type: AlgebraicType, typespace?: Typespace): Serializer<any> {
  return codecOf(type, typespace ?? NO_TYPESPACE).write;
}

export function makeDeserializer(type: AlgebraicType, typespace?: Typespace): Deserializer<any> {
  return codecOf(type, typespace ?? NO_TYPESPACE).read;
}

function codecOf(type: AlgebraicType, typespace: Typespace): Codec {
  let known = codecs.get(typespace);
  if (known === undefined) {
    known = new WeakMap();
    codecs.set(typespace, known);
  }
  const existing = known.get(type);
  if (existing !== undefined) {
    return existing;
  }
  // A type that contains itself finds this while it is being made, and uses what comes of it.
  const forward: Codec = {
    write: (writer, value) => made.write(writer, value),
    read: reader => made.read(reader),
  };
  known.set(type, forward);
  const made: Codec = makeCodec(type, typespace);
  known.set(type, made);
  return made;
}

function makeCodec(type: AlgebraicType, typespace: Typespace): Codec {
  switch (type.tag) {
    case 'Product':
      return productCodec(type.value, typespace);
    case 'Sum':
      return sumCodec(type.value, typespace);
    case 'Array':
      return type.value.tag === 'U8' ? BYTES : arrayCodec(codecOf(type.value, typespace));
    case 'Ref': {
      const target = typespace.types[type.value];
      if (target === undefined) {
        throw new RangeError(`the type space has no type ${type.value}`);
      }
      return codecOf(target, typespace);
    }
    default:
      return PRIMITIVES[type.tag];
  }
}

function wrong(value: unknown, what: string): never {
  const shown = typeof value === 'object' ? JSON.stringify(value) : String(value);
  throw new TypeError(`${what} expected, not ${typeof value} ${shown}`);
}

function small(
  what: string,
  min: number,
  max: number,
  write: (writer: BinaryWriter, value: number) => void,
  read: (reader: BinaryReader) => number
): Codec<number> {
  return {
    write(writer, value) {
      if (!Number.isInteger(value) || value < min || max < value) {
        wrong(value, `an integer from ${min} to ${max} (${what})`);
      }
      write(writer, value);
    },
    read,
  };
}

function wide(
  what: string,
  min: bigint,
  max: bigint,
  write: (writer: BinaryWriter, value: bigint) => void,
  read: (reader: BinaryReader) => bigint
): Codec<bigint> {
  return {
    write(writer, value) {
      if (typeof value !== 'bigint' || value < min || max < value) {
        wrong(value, `a bigint from ${min} to ${max} (${what})`);
      }
      write(writer, value);
    },
    read,
  };
}

const unsigned = (bits: number): [bigint, bigint] => [0n, (1n << BigInt(bits)) - 1n];
const signed = (bits: number): [bigint, bigint] => [
  -(1n << BigInt(bits - 1)),
  (1n << BigInt(bits - 1)) - 1n,
];

function float(
  write: (writer: BinaryWriter, value: number) => void,
  read: (reader: BinaryReader) => number
): Codec<number> {
  return {
    write: (writer, value) =>
      write(writer, typeof value === 'number' ? value : wrong(value, 'a number')),
    read,
  };
}

const PRIMITIVES: { [Tag in PrimitiveTag]: Codec } = {
  Bool: {
    write: (writer, value) =>
      writer.writeBool(typeof value === 'boolean' ? value : wrong(value, 'a boolean')),
    read: reader => reader.readBool(),
  },
  String: {
    write: (writer, value) =>
      writer.writeString(typeof value === 'string' ? value : wrong(value, 'a string')),
    read: reader => reader.readString(),
  },
  U8: small(
    'u8',
    0,
    0xff,
    (w, v) => w.writeU8(v),
    r => r.readU8()
  ),
  I8: small(
    'i8',
    -0x80,
    0x7f,
    (w, v) => w.writeI8(v),
    r => r.readI8()
  ),
  U16: small(
    'u16',
    0,
    0xffff,
    (w, v) => w.writeU16(v),
    r => r.readU16()
  ),
  I16: small(
    'i16',
    -0x8000,
    0x7fff,
    (w, v) => w.writeI16(v),
    r => r.readI16()
  ),
  U32: small(
    'u32',
    0,
    0xffff_ffff,
    (w, v) => w.writeU32(v),
    r => r.readU32()
  ),
  I32: small(
    'i32',
    -0x8000_0000,
    0x7fff_ffff,
    (w, v) => w.writeI32(v),
    r => r.readI32()
  ),
  U64: wide(
    'u64',
    ...unsigned(64),
    (w, v) => w.writeU64(v),
    r => r.readU64()
  ),
  I64: wide(
    'i64',
    ...signed(64),
    (w, v) => w.writeI64(v),
    r => r.readI64()
  ),
  U128: wide(
    'u128',
    ...unsigned(128),
    (w, v) => w.writeU128(v),
    r => r.readU128()
  ),
  I128: wide(
    'i128',
    ...signed(128),
    (w, v) => w.writeI128(v),
    r => r.readI128()
  ),
  U256: wide(
    'u256',
    ...unsigned(256),
    (w, v) => w.writeU256(v),
    r => r.readU256()
  ),
  I256: wide(
    'i256',
    ...signed(256),
    (w, v) => w.writeI256(v),
    r => r.readI256()
  ),
  F32: float(
    (w, v) => w.writeF32(v),
    r => r.readF32()
  ),
  F64: float(
    (w, v) => w.writeF64(v),
    r => r.readF64()
  ),
};

/** Bytes are copied out, so that a row does not keep the message that it came with. */
const BYTES: Codec<Uint8Array> = {
  write: (writer, value) =>
    writer.writeUInt8Array(
      value instanceof Uint8Array
        ? value
        : Array.isArray(value)
          ? Uint8Array.from(value)
          : wrong(value, 'a Uint8Array')
    ),
  read: reader => reader.readUInt8Array().slice(),
};

function arrayCodec(element: Codec): Codec<unknown[]> {
  return {
    write(writer, value) {
      if (!Array.isArray(value)) {
        wrong(value, 'an array');
      }
      writer.writeU32(value.length);
      for (const item of value) {
        element.write(writer, item);
      }
    },
    read(reader) {
      const count = reader.readU32();
      const items: unknown[] = [];
      const start = reader.offset;
      for (let at = 0; at < count; at += 1) {
        items.push(element.read(reader));
        if (EMPTY_ELEMENTS_MAX <= at && reader.offset === start) {
          throw new RangeError(`an array of ${count} elements without any bytes`);
        }
      }
      return items;
    },
  };
}

type Special = { new (value: bigint): object };

/** The special types are products of one number, known by the name of their only element. */
const SPECIAL: { [name: string]: [Special, PrimitiveTag] } = {
  __identity__: [Identity, 'U256'],
  __connection_id__: [ConnectionId, 'U128'],
  __timestamp_micros_since_unix_epoch__: [Timestamp, 'I64'],
  __time_duration_micros__: [TimeDuration, 'I64'],
  __uuid__: [Uuid, 'U128'],
};

function specialCodec({ elements }: ProductTypeType): Codec | undefined {
  const name = elements[0]?.name;
  if (elements.length !== 1 || name === undefined || !Object.hasOwn(SPECIAL, name)) {
    return undefined;
  }
  const [Class, tag] = SPECIAL[name]!;
  const number = PRIMITIVES[tag];
  if (elements[0]!.algebraicType.tag !== tag) {
    return undefined;
  }
  const write: Serializer<any> = (writer, value) =>
    number.write(writer, value?.[name] ?? wrong(value, Class.name));
  return {
    write,
    read: name === '__identity__' ? readIdentity : reader => new Class(number.read(reader)),
  };
}

const IDENTITY_WORDS = 8;
const KNOWN_IDENTITIES = 512;
const knownWords = new Uint32Array(KNOWN_IDENTITIES * IDENTITY_WORDS);
const knownIdentities = new Array<Identity | undefined>(KNOWN_IDENTITIES);

/** Few identities are in many rows: the last ones that were read are used again. */
function readIdentity(reader: BinaryReader): Identity {
  const start = reader.skip(4 * IDENTITY_WORDS);
  const { view } = reader;
  const place = (view.getUint32(start, true) ^ view.getUint32(start + 4, true)) % KNOWN_IDENTITIES;
  const slot = (place + KNOWN_IDENTITIES) % KNOWN_IDENTITIES;
  const words = slot * IDENTITY_WORDS;
  const known = knownIdentities[slot];
  let isSame = known !== undefined;
  for (let at = 0; at < IDENTITY_WORDS; at += 1) {
    const word = view.getUint32(start + 4 * at, true);
    isSame &&= knownWords[words + at] === word;
    knownWords[words + at] = word;
  }
  if (isSame) {
    return known!;
  }
  reader.offset = start;
  const identity = new Identity(reader.readU256());
  knownIdentities[slot] = identity;
  return identity;
}

function nameOf(name: string | undefined, at: number): string {
  return name ?? String(at);
}

function productCodec(product: ProductTypeType, typespace: Typespace): Codec {
  const special = specialCodec(product);
  if (special !== undefined) {
    return special;
  }
  const { elements } = product;
  const names = elements.map((element, at) => nameOf(element.name, at));
  const codecs = elements.map(element => codecOf(element.algebraicType, typespace));
  const reads = codecs.map(codec => codec.read);
  const count = names.length;
  return {
    write(writer, value) {
      if (typeof value !== 'object' || value === null) {
        wrong(value, `an object with ${names.join(', ')}`);
      }
      for (let at = 0; at < count; at += 1) {
        const name = names[at]!;
        try {
          codecs[at]!.write(writer, value[name]);
        } catch (error) {
          throw addPlace(error, name);
        }
      }
    },
    read(reader) {
      const value: { [name: string]: unknown } = {};
      for (let at = 0; at < count; at += 1) {
        value[names[at]!] = reads[at]!(reader);
      }
      return value;
    },
  };
}

/** Says in an error of a value where in the whole value that was. */
function addPlace(error: unknown, name: string): unknown {
  if (error instanceof TypeError) {
    const inner = /^([\w.]+): (.*)$/s.exec(error.message);
    error.message = inner ? `${name}.${inner[1]}: ${inner[2]}` : `${name}: ${error.message}`;
  }
  return error;
}

function sumCodec(sum: SumTypeType, typespace: Typespace): Codec {
  const { variants } = sum;
  const codecs = variants.map(variant => codecOf(variant.algebraicType, typespace));
  const [first, second] = variants;
  if (variants.length === 2 && first?.name === 'some' && second?.name === 'none') {
    return optionCodec(codecs[0]!);
  }
  if (variants.length === 2 && first?.name === 'ok' && second?.name === 'err') {
    return resultCodec(codecs[0]!, codecs[1]!);
  }
  const names = variants.map((variant, at) => nameOf(variant.name, at));
  const tags = new Map(names.map((name, at) => [name, at]));
  const units = variants.map(
    ({ algebraicType }) =>
      algebraicType.tag === 'Product' && algebraicType.value.elements.length === 0
  );
  return {
    write(writer, value) {
      const tag = tags.get(value?.tag);
      if (tag === undefined) {
        wrong(value, `an object whose tag is ${names.join(', ')}`);
      }
      writer.writeU8(tag);
      if (!units[tag]) {
        codecs[tag]!.write(writer, value.value);
      }
    },
    read(reader) {
      const tag = reader.readU8();
      const codec = codecs[tag];
      if (codec === undefined) {
        throw new RangeError(`the tag ${tag} is none of ${names.join(', ')}`);
      }
      return { tag: names[tag]!, value: units[tag] ? UNIT : codec.read(reader) };
    },
  };
}

function optionCodec(some: Codec): Codec {
  return {
    write(writer, value) {
      if (value === undefined || value === null) {
        writer.writeU8(1);
      } else {
        writer.writeU8(0);
        some.write(writer, value);
      }
    },
    read(reader) {
      const tag = reader.readU8();
      if (1 < tag) {
        throw new RangeError(`the tag ${tag} is not that of an option`);
      }
      return tag === 0 ? some.read(reader) : undefined;
    },
  };
}

function resultCodec(ok: Codec, err: Codec): Codec {
  return {
    write(writer, value) {
      if (typeof value !== 'object' || value === null) {
        wrong(value, 'an object with ok or err');
      }
      if ('ok' in value) {
        writer.writeU8(0);
        ok.write(writer, value.ok);
      } else if ('err' in value) {
        writer.writeU8(1);
        err.write(writer, value.err);
      } else {
        wrong(value, 'an object with ok or err');
      }
    },
    read(reader) {
      const tag = reader.readU8();
      if (1 < tag) {
        throw new RangeError(`the tag ${tag} is not that of a result`);
      }
      return tag === 0 ? { ok: ok.read(reader) } : { err: err.read(reader) };
    },
  };
}
