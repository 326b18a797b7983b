// The rows of a table in the order of some columns: a list of short sorted lists. Rows with equal
// columns are in the order in which they came.

import { comparePrimitives } from '../bsatn/compare.js';
import { type Bound, Range } from '../schema/range.js';

type Primitive = number | bigint | string | boolean;
export type Row = Record<string, any>;

/** A column, and how its values become comparable. */
export type OrderedColumn = { name: string; order: (value: any) => Primitive };

type Item = { row: Row; terms: Primitive[]; sequence: number };

/** A list of items is cut in two when it is longer than this. */
const CHUNK_ITEMS_MAX = 256;

export class OrderedIndex {
  private chunks: Item[][] = [];

  constructor(
    private readonly columns: readonly OrderedColumn[],
    rows: Iterable<[row: Row, sequence: number]>
  ) {
    const items = Array.from(rows, ([row, sequence]) => this.itemOf(row, sequence));
    items.sort((left, right) => this.compareItems(left, right));
    for (let at = 0; at < items.length; at += CHUNK_ITEMS_MAX / 2) {
      this.chunks.push(items.slice(at, at + CHUNK_ITEMS_MAX / 2));
    }
  }

  private itemOf(row: Row, sequence: number): Item {
    return { row, terms: this.columns.map(({ name, order }) => order(row[name])), sequence };
  }

  private compareItems(left: Item, right: Item): number {
    for (let at = 0; at < left.terms.length; at += 1) {
      const order = comparePrimitives(left.terms[at], right.terms[at]);
      if (order !== 0) {
        return order;
      }
    }
    return left.sequence - right.sequence;
  }

  /** The first place where `isBefore` is no longer true, in the chunk and in all. */
  private seek(isBefore: (item: Item) => boolean): [chunk: number, at: number] {
    const { chunks } = this;
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(chunks[middle]!.at(-1)!)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    const chunk = chunks[low];
    let from = 0;
    let to = chunk?.length ?? 0;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (isBefore(chunk![middle]!)) {
        from = middle + 1;
      } else {
        to = middle;
      }
    }
    return [low, from];
  }

  add(row: Row, sequence: number): void {
    const item = this.itemOf(row, sequence);
    const [place, at] = this.seek(other => this.compareItems(other, item) < 0);
    if (this.chunks.length === 0) {
      this.chunks.push([item]);
      return;
    }
    // Behind the last item of all is in the last chunk.
    const index = Math.min(place, this.chunks.length - 1);
    const chunk = this.chunks[index]!;
    chunk.splice(index === place ? at : chunk.length, 0, item);
    if (CHUNK_ITEMS_MAX < chunk.length) {
      this.chunks.splice(index + 1, 0, chunk.splice(CHUNK_ITEMS_MAX / 2));
    }
  }

  remove(row: Row, sequence: number): void {
    const item = this.itemOf(row, sequence);
    const [place, at] = this.seek(other => this.compareItems(other, item) < 0);
    const chunk = this.chunks[place];
    if (chunk?.[at]?.sequence !== sequence) {
      return;
    }
    chunk.splice(at, 1);
    if (chunk.length === 0) {
      this.chunks.splice(place, 1);
    }
  }

  /** The rows whose first columns have these values; the last may be a range. */
  *filter(bounds: readonly unknown[]): Generator<Row, undefined> {
    if (this.columns.length < bounds.length) {
      throw new RangeError(`this index has ${this.columns.length} columns, not ${bounds.length}`);
    }
    const last = bounds.at(-1);
    const range = last instanceof Range ? last : undefined;
    const prefix = range === undefined ? bounds : bounds.slice(0, -1);
    const terms = prefix.map((value, at) => this.columns[at]!.order(value));
    const [from, to] = [range?.from, range?.to].map(bound => this.termOf(bound, prefix.length));
    const side = (item: Item): number => {
      for (let at = 0; at < terms.length; at += 1) {
        const order = comparePrimitives(item.terms[at], terms[at]);
        if (order !== 0) {
          return order;
        }
      }
      const term = item.terms[terms.length];
      if (from !== undefined && isOutside(comparePrimitives(term, from.term), from.excluded)) {
        return -1;
      }
      if (to !== undefined && isOutside(comparePrimitives(to.term, term), to.excluded)) {
        return 1;
      }
      return 0;
    };
    const [place, start] = this.seek(item => side(item) < 0);
    // A copy, so that nothing is missed or seen twice if the table changes while this is used.
    const found: Row[] = [];
    for (let chunk = place, at = start; chunk < this.chunks.length; chunk += 1, at = 0) {
      const items = this.chunks[chunk]!;
      for (; at < items.length; at += 1) {
        if (0 < side(items[at]!)) {
          yield* found;
          return undefined;
        }
        found.push(items[at]!.row);
      }
    }
    yield* found;
    return undefined;
  }

  private termOf(
    bound: Bound<unknown> | undefined,
    column: number
  ): { term: Primitive; excluded: boolean } | undefined {
    if (bound === undefined || bound.tag === 'unbounded') {
      return undefined;
    }
    return { term: this.columns[column]!.order(bound.value), excluded: bound.tag === 'excluded' };
  }
}

function isOutside(order: number, excluded: boolean): boolean {
  return order < 0 || (excluded && order === 0);
}
