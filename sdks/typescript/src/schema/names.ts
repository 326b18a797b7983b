// The spellings of names. As in the types of `type_tools.ts`, only `_` and `-` separate words here.

import type { CamelCase, PascalCase } from './type_tools.js';

function join(words: string[]): string {
  return words
    .map((word, at) => (at === 0 ? word : word.slice(0, 1).toUpperCase() + word.slice(1)))
    .join('');
}

export function toCamelCase<T extends string>(s: T): CamelCase<T> {
  const joined = join(s.split(/[_-]/));
  return (joined.slice(0, 1).toLowerCase() + joined.slice(1)) as CamelCase<T>;
}

export function toPascalCase<T extends string>(s: T): PascalCase<T> {
  const joined = join(s.split(/[_-]/));
  return (joined.slice(0, 1).toUpperCase() + joined.slice(1)) as PascalCase<T>;
}

export function toSnakeCase(str: string): string {
  return str.replace(/[A-Z]/g, (letter, at) => `${at === 0 ? '' : '_'}${letter.toLowerCase()}`);
}
