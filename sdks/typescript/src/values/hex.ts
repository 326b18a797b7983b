// Wide numbers, bytes and hex text. Text is most significant digit first, bytes are least
// significant byte first, as BSATN has them; the byte arrays of `uint8ArrayToHexString` and
// `hexStringToUint8Array` are in the order of the text.

export function uint8ArrayToHexString(array: Uint8Array): string {
  let text = '';
  for (const byte of array) {
    text += byte.toString(16).padStart(2, '0');
  }
  return text;
}

export function hexStringToUint8Array(str: string): Uint8Array {
  const digits = str.startsWith('0x') ? str.slice(2) : str;
  if (digits.length % 2 !== 0 || /[^0-9a-fA-F]/.test(digits)) {
    throw new SyntaxError(`${JSON.stringify(str)} is not an even number of hex digits`);
  }
  const bytes = new Uint8Array(digits.length / 2);
  for (let at = 0; at < bytes.length; at += 1) {
    bytes[at] = parseInt(digits.slice(2 * at, 2 * at + 2), 16);
  }
  return bytes;
}

/** The number that exactly `digits` hex digits write, after an optional `0x`. */
export function parseHex(text: string, digits: number, what: string): bigint {
  const bare = text.startsWith('0x') ? text.slice(2) : text;
  if (bare.length !== digits || /[^0-9a-fA-F]/.test(bare)) {
    throw new SyntaxError(`${what} must be ${digits} hex digits, not ${JSON.stringify(text)}`);
  }
  return BigInt(`0x${bare}`);
}

export function formatHex(value: bigint, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** The bytes of an unsigned number, least significant first. */
export function toBytesLittleEndian(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let rest = value;
  for (let at = 0; at < length; at += 1) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

function fromBytesLittleEndian(array: Uint8Array, length: number): bigint {
  if (array.length !== length) {
    throw new RangeError(`${length} bytes expected, not ${array.length}`);
  }
  let value = 0n;
  for (let at = length - 1; 0 <= at; at -= 1) {
    value = (value << 8n) | BigInt(array[at]!);
  }
  return value;
}

export const uint8ArrayToU128 = (array: Uint8Array): bigint => fromBytesLittleEndian(array, 16);
export const uint8ArrayToU256 = (array: Uint8Array): bigint => fromBytesLittleEndian(array, 32);
export const hexStringToU128 = (str: string): bigint => parseHex(str, 32, 'a 128-bit number');
export const hexStringToU256 = (str: string): bigint => parseHex(str, 64, 'a 256-bit number');
export const u128ToUint8Array = (data: bigint): Uint8Array => toBytesLittleEndian(data, 16);
export const u128ToHexString = (data: bigint): string => formatHex(data, 32);
export const u256ToUint8Array = (data: bigint): Uint8Array => toBytesLittleEndian(data, 32);
export const u256ToHexString = (data: bigint): string => formatHex(data, 64);

const U128_MAX = (1n << 128n) - 1n;
const U256_MAX = (1n << 256n) - 1n;

/** Refuses what an unsigned number of 128 or 256 bits cannot be. */
export function checkUnsigned(value: bigint, bits: 128 | 256, what: string): bigint {
  if (typeof value !== 'bigint' || value < 0n || (bits === 128 ? U128_MAX : U256_MAX) < value) {
    throw new RangeError(`${what} must be an unsigned ${bits}-bit bigint, not ${String(value)}`);
  }
  return value;
}

/** A bigint from what writes one: a bigint, a whole number, or decimal text. */
export function coerceToBigInt(value: unknown, what: string): bigint {
  const isText = typeof value === 'string' && /^-?\d+$/.test(value);
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) {
    return BigInt(value);
  }
  if (!isText) {
    throw new TypeError(`${what} must be a whole number, not ${String(value)}`);
  }
  return BigInt(value);
}
