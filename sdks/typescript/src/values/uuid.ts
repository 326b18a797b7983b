// UUIDs, as the number that their 32 hex digits write.

import { checkUnsigned, formatHex, hexStringToUint8Array, parseHex } from './hex.js';
import type { Timestamp } from './time.js';

export type UuidAlgebraicType = {
  tag: 'Product';
  value: { elements: [{ name: '__uuid__'; algebraicType: { tag: 'U128' } }] };
};

export type UuidVersion = 'Nil' | 'V4' | 'V7' | 'Max';

const TYPE: UuidAlgebraicType = {
  tag: 'Product',
  value: { elements: [{ name: '__uuid__', algebraicType: { tag: 'U128' } }] },
};

const COUNTER_MAX = 0x7fff_ffff;
const MILLIS_MAX = (1n << 48n) - 1n;

/** From 16 bytes in the order of the text. */
function fromBytes(bytes: Uint8Array): Uuid {
  let value = 0n;
  for (const byte of bytes) {
    value = (value << 8n) | BigInt(byte);
  }
  return new Uuid(value);
}

function checkLength(bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) {
    throw new RangeError(`${length} random bytes are needed, not ${bytes.length}`);
  }
}

export class Uuid {
  __uuid__: bigint;

  static readonly MAX_UUID_BIGINT = (1n << 128n) - 1n;
  static readonly NIL: Uuid = new Uuid(0n);
  static readonly MAX: Uuid = new Uuid(Uuid.MAX_UUID_BIGINT);

  constructor(u: bigint) {
    this.__uuid__ = checkUnsigned(u, 128, 'a UUID');
  }

  static getAlgebraicType(): UuidAlgebraicType {
    return TYPE;
  }

  /** Version 4 from 16 random bytes. */
  static fromRandomBytesV4(bytes: Uint8Array): Uuid {
    checkLength(bytes, 16);
    const marked = bytes.slice();
    marked[6] = (marked[6]! & 0x0f) | 0x40;
    marked[8] = (marked[8]! & 0x3f) | 0x80;
    return fromBytes(marked);
  }

  /** Version 7 from a time, a counter of 31 bits that is moved on, and 4 random bytes. */
  static fromCounterV7(counter: { value: number }, now: Timestamp, randomBytes: Uint8Array): Uuid {
    checkLength(randomBytes, 4);
    const count = counter.value;
    if (!Number.isInteger(count) || count < 0 || COUNTER_MAX < count) {
      throw new RangeError(`the counter of a UUID is of 31 bits, not ${count}`);
    }
    const millis = now.toMillis();
    if (millis < 0n || MILLIS_MAX < millis) {
      throw new RangeError(`the time of a UUID is from 1970 on, not ${millis} ms`);
    }
    counter.value = count === COUNTER_MAX ? 0 : count + 1;
    const bytes = new Uint8Array(16);
    for (let at = 0; at < 6; at += 1) {
      bytes[at] = Number((millis >> BigInt(8 * (5 - at))) & 0xffn);
    }
    bytes[6] = 0x70;
    bytes[7] = (count >>> 23) & 0xff;
    bytes[8] = 0x80;
    bytes[9] = (count >>> 15) & 0xff;
    bytes[10] = (count >>> 7) & 0xff;
    bytes[11] = (count & 0x7f) << 1;
    bytes.set(randomBytes, 12);
    bytes[12] = randomBytes[0]! & 0x7f;
    return fromBytes(bytes);
  }

  /** From 32 hex digits, hyphenated or not, also in braces or after `urn:uuid:`. */
  static parse(s: string): Uuid {
    const bare = s.replace(/^urn:uuid:/i, '').replace(/^\{(.*)\}$/, '$1');
    const isHyphenated = /^[^-]{8}-[^-]{4}-[^-]{4}-[^-]{4}-[^-]{12}$/.test(bare);
    const digits = isHyphenated ? bare.replaceAll('-', '') : bare;
    if (!/^[0-9a-fA-F]{32}$/.test(digits)) {
      throw new SyntaxError(`${JSON.stringify(s)} is not a UUID`);
    }
    return new Uuid(parseHex(digits, 32, 'a UUID'));
  }

  toHexString(): string {
    return formatHex(this.__uuid__, 32);
  }

  toString(): string {
    const hex = this.toHexString();
    const cuts = [0, 8, 12, 16, 20, 32];
    return cuts
      .slice(1)
      .map((end, part) => hex.slice(cuts[part], end))
      .join('-');
  }

  toJSON(): string {
    return this.toString();
  }

  asBigInt(): bigint {
    return this.__uuid__;
  }

  /** 16 bytes in the order of the text. */
  toBytes(): Uint8Array {
    return hexStringToUint8Array(this.toHexString());
  }

  getVersion(): UuidVersion {
    if (this.__uuid__ === 0n) {
      return 'Nil';
    }
    if (this.__uuid__ === Uuid.MAX_UUID_BIGINT) {
      return 'Max';
    }
    const version = this.toHexString()[12];
    if (version === '4' || version === '7') {
      return version === '4' ? 'V4' : 'V7';
    }
    throw new RangeError(`UUID ${this} is of version ${version}; 4 and 7 are known`);
  }

  /** The counter of a UUID of version 7. */
  getCounter(): number {
    const bytes = this.toBytes();
    return (
      ((bytes[7]! << 23) | (bytes[9]! << 15) | (bytes[10]! << 7) | (bytes[11]! >>> 1)) & COUNTER_MAX
    );
  }

  isEqual(other: Uuid): boolean {
    return this.__uuid__ === other.__uuid__;
  }

  compareTo(other: Uuid): number {
    if (this.__uuid__ === other.__uuid__) {
      return 0;
    }
    return this.__uuid__ < other.__uuid__ ? -1 : 1;
  }
}
