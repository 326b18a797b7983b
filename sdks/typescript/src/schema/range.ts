// Bounds for the filters of indexes.

export type Bound<T> =
  { tag: 'included'; value: T } | { tag: 'excluded'; value: T } | { tag: 'unbounded' };

const UNBOUNDED: Bound<never> = { tag: 'unbounded' };

/** Values from one bound to another; a bound that is not given is not there. */
export class Range<T> {
  readonly from: Bound<T>;
  readonly to: Bound<T>;

  constructor(from?: Bound<T> | null, to?: Bound<T> | null) {
    this.from = from ?? UNBOUNDED;
    this.to = to ?? UNBOUNDED;
  }
}
