// Reads BSATN: little-endian numbers, length-prefixed text and bytes, nothing else. Every read is
// checked against the end of the input; what is not there is a RangeError, never a wrong value.

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text up to this many bytes is read by hand, which is faster if it is ASCII. */
const SHORT_TEXT_BYTES = 48;

/** The text if it is ASCII; eight characters at once, since strings are slow to put together. */
function readAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = '';
  let all = 0;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    const [a, b, c, d] = [bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!];
    const [e, f, g, h] = [bytes[at + 4]!, bytes[at + 5]!, bytes[at + 6]!, bytes[at + 7]!];
    all |= a | b | c | d | e | f | g | h;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  for (; at < end; at += 1) {
    all |= bytes[at]!;
    text += String.fromCharCode(bytes[at]!);
  }
  return all < 0x80 ? text : undefined;
}

export default class BinaryReader {
  view: DataView;
  /** The same bytes as `view`. */
  bytes: Uint8Array;
  offset = 0;

  constructor(input: Uint8Array | DataView) {
    this.view = new DataView(input.buffer, input.byteOffset, input.byteLength);
    this.bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  }

  reset(input: Uint8Array | DataView): void {
    this.view = new DataView(input.buffer, input.byteOffset, input.byteLength);
    this.bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    this.offset = 0;
  }

  get remaining(): number {
    return this.view.byteLength - this.offset;
  }

  /** Moves on by `length` bytes; returns where they begin. */
  skip(length: number): number {
    const start = this.offset;
    if (this.view.byteLength - start < length) {
      throw new RangeError(
        `the data ends too early: ${length} bytes expected at ${start}, ${this.remaining} there`
      );
    }
    this.offset = start + length;
    return start;
  }

  /** Bytes with their length in front; a view into the input, not a copy. */
  readUInt8Array(): Uint8Array {
    return this.readBytes(this.readU32());
  }

  readBytes(length: number): Uint8Array {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  readBool(): boolean {
    const byte = this.readU8();
    if (1 < byte) {
      throw new RangeError(`the byte ${byte} is not a bool: it must be 0 or 1`);
    }
    return byte === 1;
  }

  readByte(): number {
    return this.view.getUint8(this.offset++);
  }

  readU8(): number {
    return this.view.getUint8(this.offset++);
  }

  readI8(): number {
    return this.view.getInt8(this.offset++);
  }

  readU16(): number {
    const value = this.view.getUint16(this.offset, true);
    this.offset += 2;
    return value;
  }

  readI16(): number {
    const value = this.view.getInt16(this.offset, true);
    this.offset += 2;
    return value;
  }

  readU32(): number {
    const value = this.view.getUint32(this.offset, true);
    this.offset += 4;
    return value;
  }

  readI32(): number {
    const value = this.view.getInt32(this.offset, true);
    this.offset += 4;
    return value;
  }

  readU64(): bigint {
    const value = this.view.getBigUint64(this.offset, true);
    this.offset += 8;
    return value;
  }

  readI64(): bigint {
    const value = this.view.getBigInt64(this.offset, true);
    this.offset += 8;
    return value;
  }

  readU128(): bigint {
    const low = this.readU64();
    return (this.readU64() << 64n) | low;
  }

  readI128(): bigint {
    const low = this.readU64();
    return (this.readI64() << 64n) | low;
  }

  readU256(): bigint {
    const low = this.readU128();
    return (this.readU128() << 128n) | low;
  }

  readI256(): bigint {
    const low = this.readU128();
    return (this.readI128() << 128n) | low;
  }

  readF32(): number {
    const value = this.view.getFloat32(this.offset, true);
    this.offset += 4;
    return value;
  }

  readF64(): number {
    const value = this.view.getFloat64(this.offset, true);
    this.offset += 8;
    return value;
  }

  readString(): string {
    const length = this.readU32();
    const start = this.skip(length);
    const { bytes } = this;
    if (length <= SHORT_TEXT_BYTES) {
      const text = readAscii(bytes, start, start + length);
      if (text !== undefined) {
        return text;
      }
    }
    return UTF8.decode(bytes.subarray(start, start + length));
  }
}
