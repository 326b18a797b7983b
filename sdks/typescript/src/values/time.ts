// Points in time and spans of time, in microseconds.

import type { AlgebraicType } from '../bsatn/algebraic_type.js';

const MICROS_PER_MILLI = 1000n;
const MICROS_PER_SECOND = 1_000_000n;

/** How far a Date reaches to both sides of 1970. */
const DATE_MILLIS_MAX = 8_640_000_000_000_000n;

export type TimestampAlgebraicType = {
  tag: 'Product';
  value: {
    elements: [{ name: '__timestamp_micros_since_unix_epoch__'; algebraicType: { tag: 'I64' } }];
  };
};

export type TimeDurationAlgebraicType = {
  tag: 'Product';
  value: { elements: [{ name: '__time_duration_micros__'; algebraicType: { tag: 'I64' } }] };
};

const TIMESTAMP_TYPE: TimestampAlgebraicType = {
  tag: 'Product',
  value: {
    elements: [{ name: '__timestamp_micros_since_unix_epoch__', algebraicType: { tag: 'I64' } }],
  },
};

const TIME_DURATION_TYPE: TimeDurationAlgebraicType = {
  tag: 'Product',
  value: { elements: [{ name: '__time_duration_micros__', algebraicType: { tag: 'I64' } }] },
};

function isProductOf(type: AlgebraicType, name: string): boolean {
  return (
    type.tag === 'Product' &&
    type.value.elements.length === 1 &&
    type.value.elements[0]?.name === name &&
    type.value.elements[0].algebraicType.tag === 'I64'
  );
}

/** Division that rounds down, also below zero. */
function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient;
}

export class TimeDuration {
  __time_duration_micros__: bigint;

  constructor(micros: bigint) {
    this.__time_duration_micros__ = micros;
  }

  static getAlgebraicType(): TimeDurationAlgebraicType {
    return TIME_DURATION_TYPE;
  }

  static isTimeDuration(type: AlgebraicType): type is TimeDurationAlgebraicType {
    return isProductOf(type, '__time_duration_micros__');
  }

  static fromMillis(millis: number): TimeDuration {
    return new TimeDuration(BigInt(Math.round(millis * 1000)));
  }

  get micros(): bigint {
    return this.__time_duration_micros__;
  }

  get millis(): number {
    return Number(this.micros) / 1000;
  }

  /** As in `+1.500000`: seconds with a sign. */
  toString(): string {
    const micros = this.micros;
    const size = micros < 0n ? -micros : micros;
    const fraction = String(size % MICROS_PER_SECOND).padStart(6, '0');
    return `${micros < 0n ? '-' : '+'}${size / MICROS_PER_SECOND}.${fraction}`;
  }
}

export class Timestamp {
  __timestamp_micros_since_unix_epoch__: bigint;

  static UNIX_EPOCH: Timestamp = new Timestamp(0n);

  constructor(micros: bigint) {
    this.__timestamp_micros_since_unix_epoch__ = micros;
  }

  static getAlgebraicType(): TimestampAlgebraicType {
    return TIMESTAMP_TYPE;
  }

  static isTimestamp(type: AlgebraicType): type is TimestampAlgebraicType {
    return isProductOf(type, '__timestamp_micros_since_unix_epoch__');
  }

  static now(): Timestamp {
    return Timestamp.fromDate(new Date());
  }

  static fromDate(date: Date): Timestamp {
    return new Timestamp(BigInt(date.getTime()) * MICROS_PER_MILLI);
  }

  static fromMillis(millis: bigint): Timestamp {
    return new Timestamp(millis * MICROS_PER_MILLI);
  }

  get microsSinceUnixEpoch(): bigint {
    return this.__timestamp_micros_since_unix_epoch__;
  }

  /** Rounded down. */
  toMillis(): bigint {
    return floorDivide(this.microsSinceUnixEpoch, MICROS_PER_MILLI);
  }

  /** Rounded down to milliseconds; a RangeError if a Date does not reach that far. */
  toDate(): Date {
    const millis = this.toMillis();
    if (millis < -DATE_MILLIS_MAX || DATE_MILLIS_MAX < millis) {
      throw new RangeError(`no Date reaches ${this.microsSinceUnixEpoch} microseconds`);
    }
    return new Date(Number(millis));
  }

  /** In UTC, with all six digits of the microseconds. */
  toISOString(): string {
    const inMilli = this.microsSinceUnixEpoch - this.toMillis() * MICROS_PER_MILLI;
    const micros = String(inMilli).padStart(3, '0');
    return this.toDate().toISOString().replace(/Z$/, `${micros}Z`);
  }

  since(other: Timestamp): TimeDuration {
    return new TimeDuration(this.microsSinceUnixEpoch - other.microsSinceUnixEpoch);
  }

  toString(): string {
    return this.toISOString();
  }
}
