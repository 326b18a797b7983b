// When a scheduled row is due: after an interval, again and again, or once at a time.

import type { AlgebraicType } from '../bsatn/algebraic_type.js';
import {
  TimeDuration,
  type TimeDurationAlgebraicType,
  Timestamp,
  type TimestampAlgebraicType,
} from './time.js';

export type Interval = { tag: 'Interval'; value: TimeDuration };
export type Time = { tag: 'Time'; value: Timestamp };
export type ScheduleAt = Interval | Time;

export type ScheduleAtAlgebraicType = {
  tag: 'Sum';
  value: {
    variants: [
      { name: 'Interval'; algebraicType: TimeDurationAlgebraicType },
      { name: 'Time'; algebraicType: TimestampAlgebraicType },
    ];
  };
};

const TYPE: ScheduleAtAlgebraicType = {
  tag: 'Sum',
  value: {
    variants: [
      { name: 'Interval', algebraicType: TimeDuration.getAlgebraicType() },
      { name: 'Time', algebraicType: Timestamp.getAlgebraicType() },
    ],
  },
};

export const Interval = (micros: bigint): Interval => ({
  tag: 'Interval',
  value: new TimeDuration(micros),
});

export const Time = (microsSinceUnixEpoch: bigint): Time => ({
  tag: 'Time',
  value: new Timestamp(microsSinceUnixEpoch),
});

export const ScheduleAt = {
  interval: (micros: bigint): ScheduleAt => Interval(micros),
  time: (microsSinceUnixEpoch: bigint): ScheduleAt => Time(microsSinceUnixEpoch),

  getAlgebraicType(): ScheduleAtAlgebraicType {
    return TYPE;
  },

  isScheduleAt(type: AlgebraicType): type is ScheduleAtAlgebraicType {
    if (type.tag !== 'Sum' || type.value.variants.length !== 2) {
      return false;
    }
    const [interval, time] = type.value.variants;
    return (
      interval?.name === 'Interval' &&
      TimeDuration.isTimeDuration(interval.algebraicType) &&
      time?.name === 'Time' &&
      Timestamp.isTimestamp(time.algebraicType)
    );
  },
};
