// What the client has to say when nobody asked: to the console, from a chosen level on.

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace';

const LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'debug', 'trace'];

let globalLevel: LogLevel = 'warn';

export const setGlobalLogLevel = (level: LogLevel): void => {
  globalLevel = level;
};

export const getGlobalLogLevel = (): LogLevel => globalLevel;

type Lazy<T> = T | (() => T);

const force = (value: Lazy<unknown>): unknown => (typeof value === 'function' ? value() : value);

export const stdbLogger = (level: LogLevel, message: Lazy<unknown>, ...args: unknown[]): void => {
  if (LEVELS.indexOf(level) <= LEVELS.indexOf(globalLevel)) {
    const write = level === 'trace' ? console.debug : console[level];
    write('[spacetime]', force(message), ...args.map(force));
  }
};

/** As JSON, with bigints as text. */
export const stringify = (value: unknown): string | undefined =>
  JSON.stringify(value, (_, it: unknown) => (typeof it === 'bigint' ? String(it) : it));

/** Calls what the user gave us. What it throws is reported and stops nothing. */
export function callUser<Args extends unknown[]>(
  callback: (...args: Args) => void,
  what: string,
  ...args: Args
): void {
  try {
    callback(...args);
  } catch (error) {
    stdbLogger('error', `an exception in ${what}:`, error);
  }
}
