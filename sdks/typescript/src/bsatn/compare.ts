// Equality and order of values, as the server has them.

import type { AlgebraicType } from './algebraic_type.js';

/** Whether two values are the same throughout. NaN equals itself, and 0 differs from -0. */
export function deepEqual(left: any, right: any): boolean {
  if (Object.is(left, right)) {
    return true;
  }
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) {
    return false;
  }
  if (Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) {
    return false;
  }
  if (left instanceof Uint8Array || Array.isArray(left)) {
    return (
      left.length === right.length &&
      (left as unknown[]).every((item, at) => deepEqual(item, right[at]))
    );
  }
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every(name => Object.hasOwn(right, name) && deepEqual(left[name], right[name]))
  );
}

const isSurrogate = (unit: number): boolean => 0xd800 <= unit && unit <= 0xdfff;

/** The order of UTF-8 bytes, which is that of code points and not that of UTF-16 units. */
export function compareText(left: string, right: string): number {
  if (left === right) {
    return 0;
  }
  const end = Math.min(left.length, right.length);
  for (let at = 0; at < end; at += 1) {
    const a = left.charCodeAt(at);
    const b = right.charCodeAt(at);
    if (a !== b) {
      // Half of a character beyond 0xffff comes after every character up to there.
      return isSurrogate(a) === isSurrogate(b) ? a - b : isSurrogate(a) ? 1 : -1;
    }
  }
  return left.length - right.length;
}

/** Numbers, bigints, booleans and text in their order; NaN after all others. */
export function comparePrimitives(left: any, right: any): number {
  if (typeof left === 'string') {
    return compareText(left, right);
  }
  if (left < right) {
    return -1;
  }
  if (right < left) {
    return 1;
  }
  return Number(left !== left) - Number(right !== right);
}

export type Order = (value: any) => number | bigint | string | boolean;

/**
 * A function from values of a type to primitives with the same order. Undefined if there is none:
 * values of options and of sums with data are not one primitive.
 */
export function orderOf(type: AlgebraicType): Order | undefined {
  switch (type.tag) {
    case 'Product': {
      const [only] = type.value.elements;
      const inner = type.value.elements.length === 1 ? orderOf(only!.algebraicType) : undefined;
      return inner && (value => inner(value[only!.name ?? '0']));
    }
    case 'Sum': {
      const { variants } = type.value;
      const isPlain = variants.every(
        ({ algebraicType: it }) => it.tag === 'Product' && it.value.elements.length === 0
      );
      const tags = new Map(variants.map((variant, at) => [variant.name, at]));
      return isPlain ? value => tags.get(value?.tag) ?? -1 : undefined;
    }
    case 'Array':
    case 'Ref':
      return undefined;
    default:
      return value => value;
  }
}
