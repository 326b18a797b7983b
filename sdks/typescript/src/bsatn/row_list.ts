// A list of rows as the server sends it: all rows in one piece, and where each begins. Only the
// places are looked at here; a row is read when somebody needs more of it than its bytes.

import type BinaryReader from './reader.js';

/** How many bytes the place of a row has in a list with rows of different lengths. */
const OFFSET_BYTES = 8;

export class RowList {
  private constructor(
    private readonly view: DataView,
    /** Where the first row begins, and where the last ends. */
    private readonly start: number,
    private readonly end: number,
    readonly count: number,
    /** The length of every row, or 0 if they differ. */
    private readonly rowBytes: number,
    private readonly offsetsAt: number
  ) {}

  /** Reads the head of a list and moves to its end. */
  static read(reader: BinaryReader): RowList {
    const { view } = reader;
    const tag = reader.readU8();
    if (tag === 0) {
      const rowBytes = reader.readU16();
      const bytes = reader.readU32();
      const start = reader.skip(bytes);
      if (rowBytes === 0 ? bytes !== 0 : bytes % rowBytes !== 0) {
        throw new RangeError(`${bytes} bytes are no rows of ${rowBytes} bytes each`);
      }
      const count = rowBytes === 0 ? 0 : bytes / rowBytes;
      return new RowList(view, start, start + bytes, count, rowBytes, 0);
    }
    if (tag !== 1) {
      throw new RangeError(`the tag ${tag} is not that of a list of rows`);
    }
    const count = reader.readU32();
    const offsetsAt = reader.skip(count * OFFSET_BYTES);
    const bytes = reader.readU32();
    const start = reader.skip(bytes);
    if (count === 0 && bytes !== 0) {
      throw new RangeError(`${bytes} bytes in a list without rows`);
    }
    return new RowList(view, start, start + bytes, count, 0, offsetsAt);
  }

  /** Where the row `at` begins; `count` is the end of the last. */
  startOf(at: number): number {
    if (this.count <= at) {
      return this.end;
    }
    if (0 < this.rowBytes) {
      return this.start + at * this.rowBytes;
    }
    const place = this.offsetsAt + at * OFFSET_BYTES;
    const high = this.view.getUint32(place + 4, true);
    const start = this.start + this.view.getUint32(place, true);
    if (high !== 0 || this.end < start) {
      throw new RangeError(`row ${at} of ${this.count} begins behind the end of the list`);
    }
    return start;
  }
}
