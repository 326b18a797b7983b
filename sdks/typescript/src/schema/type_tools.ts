// Types that the other types are made with.

import type { ConnectionId } from '../values/connection_id.js';
import type { Identity } from '../values/identity.js';
import type { ScheduleAt } from '../values/schedule_at.js';
import type { TimeDuration, Timestamp } from '../values/time.js';
import type { Uuid } from '../values/uuid.js';

type Leaf =
  | Identity
  | ConnectionId
  | Timestamp
  | TimeDuration
  | ScheduleAt
  | Uuid
  | Uint8Array
  | readonly unknown[]
  | string
  | number
  | bigint
  | boolean
  | undefined;

/** The same type, shown as what it is made of. */
export type Prettify<T> = T extends Leaf ? T : { [K in keyof T]: T[K] } & {};

export type SetField<T, F extends string, V> = Prettify<Omit<T, F> & { [K in F]: V }>;

export type Values<T> = T[keyof T];

export type CollapseTuple<A extends any[]> = A extends [infer T] ? T : A;

export type IsAny<T> = 0 extends 1 & T ? true : false;

type CamelCaseInner<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCaseInner<Tail>>}`
  : S extends `${infer Head}-${infer Tail}`
    ? `${Head}${Capitalize<CamelCaseInner<Tail>>}`
    : S;

/** `set_name` as `setName`. */
export type CamelCase<S extends string> = Uncapitalize<CamelCaseInner<S>>;

export type PascalCase<S extends string> = Capitalize<CamelCaseInner<S>>;
