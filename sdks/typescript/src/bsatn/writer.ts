// Writes BSATN into a buffer that grows.

const UTF8 = new TextEncoder();

/** How much room an UTF-16 code unit can need in UTF-8. */
const UTF8_BYTES_PER_UNIT_MAX = 3;

/** A buffer that can be handed from one writer to the next. */
export class ResizableBuffer {
  buffer: ArrayBuffer;
  view: DataView;

  constructor(init: number | ArrayBuffer) {
    this.buffer = typeof init === 'number' ? new ArrayBuffer(init) : init;
    this.view = new DataView(this.buffer);
  }

  get capacity(): number {
    return this.buffer.byteLength;
  }

  /** Makes room for at least `newSize` bytes, and keeps what there is. */
  grow(newSize: number): void {
    if (newSize <= this.buffer.byteLength) {
      return;
    }
    const larger = new ArrayBuffer(Math.max(newSize, 2 * this.buffer.byteLength, 64));
    new Uint8Array(larger).set(new Uint8Array(this.buffer));
    this.buffer = larger;
    this.view = new DataView(larger);
  }
}

export default class BinaryWriter {
  buffer: ResizableBuffer;
  offset = 0;

  constructor(init: number | ResizableBuffer) {
    this.buffer = typeof init === 'number' ? new ResizableBuffer(init) : init;
  }

  clear(): void {
    this.offset = 0;
  }

  reset(buffer: ResizableBuffer): void {
    this.buffer = buffer;
    this.offset = 0;
  }

  expandBuffer(additionalCapacity: number): void {
    this.buffer.grow(this.offset + additionalCapacity);
  }

  /** What has been written; a view that the next writes may change. */
  getBuffer(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.buffer.buffer, 0, this.offset);
  }

  /** What has been written, as a copy. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.getBuffer().slice();
  }

  toBase64(): string {
    let text = '';
    for (const byte of this.getBuffer()) {
      text += String.fromCharCode(byte);
    }
    return btoa(text);
  }

  get view(): DataView {
    return this.buffer.view;
  }

  /** Makes room for `length` bytes; returns where they are to be written. */
  private advance(length: number): number {
    const start = this.offset;
    this.buffer.grow(start + length);
    this.offset = start + length;
    return start;
  }

  /** Bytes with their length in front. */
  writeUInt8Array(value: Uint8Array): void {
    this.writeU32(value.length);
    this.writeBytes(value);
  }

  writeBytes(value: Uint8Array): void {
    const start = this.advance(value.length);
    new Uint8Array(this.buffer.buffer).set(value, start);
  }

  writeBool(value: boolean): void {
    this.writeU8(value ? 1 : 0);
  }

  writeByte(value: number): void {
    this.writeU8(value);
  }

  writeU8(value: number): void {
    const start = this.advance(1);
    this.view.setUint8(start, value);
  }

  writeI8(value: number): void {
    const start = this.advance(1);
    this.view.setInt8(start, value);
  }

  writeU16(value: number): void {
    const start = this.advance(2);
    this.view.setUint16(start, value, true);
  }

  writeI16(value: number): void {
    const start = this.advance(2);
    this.view.setInt16(start, value, true);
  }

  writeU32(value: number): void {
    const start = this.advance(4);
    this.view.setUint32(start, value, true);
  }

  writeI32(value: number): void {
    const start = this.advance(4);
    this.view.setInt32(start, value, true);
  }

  writeU64(value: bigint): void {
    const start = this.advance(8);
    this.view.setBigUint64(start, value, true);
  }

  writeI64(value: bigint): void {
    const start = this.advance(8);
    this.view.setBigInt64(start, value, true);
  }

  writeU128(value: bigint): void {
    this.writeWords(value, 2);
  }

  writeI128(value: bigint): void {
    this.writeWords(value, 2);
  }

  writeU256(value: bigint): void {
    this.writeWords(value, 4);
  }

  writeI256(value: bigint): void {
    this.writeWords(value, 4);
  }

  /** Two's complement: shifting keeps the sign, and cutting to 64 bits is right. */
  private writeWords(value: bigint, words: number): void {
    const start = this.advance(8 * words);
    let rest = value;
    for (let word = 0; word < words; word += 1) {
      this.view.setBigUint64(start + 8 * word, BigInt.asUintN(64, rest), true);
      rest >>= 64n;
    }
  }

  writeF32(value: number): void {
    const start = this.advance(4);
    this.view.setFloat32(start, value, true);
  }

  writeF64(value: number): void {
    const start = this.advance(8);
    this.view.setFloat64(start, value, true);
  }

  writeString(value: string): void {
    const lengthAt = this.advance(4);
    this.buffer.grow(this.offset + UTF8_BYTES_PER_UNIT_MAX * value.length);
    const room = new Uint8Array(this.buffer.buffer, this.offset);
    const { written } = UTF8.encodeInto(value, room);
    this.view.setUint32(lengthAt, written, true);
    this.offset += written;
  }
}
