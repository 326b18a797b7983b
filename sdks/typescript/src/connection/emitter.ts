// Callbacks by the name of an event.

import { callUser } from '../logger.js';

export class EventEmitter<Key, Callback extends (...args: any[]) => void = (...a: any[]) => void> {
  readonly #callbacks = new Map<Key, readonly Callback[]>();

  on(event: Key, callback: Callback): void {
    this.#callbacks.set(event, [...(this.#callbacks.get(event) ?? []), callback]);
  }

  off(event: Key, callback: Callback): void {
    const left = (this.#callbacks.get(event) ?? []).filter(it => it !== callback);
    this.#callbacks.set(event, left);
  }

  emit(event: Key, ...args: Parameters<Callback>): void {
    for (const callback of this.#callbacks.get(event) ?? []) {
      callUser(callback, `a callback of ${String(event)}`, ...args);
    }
  }

  /** Another emitter that begins with the same callbacks. */
  copy(): EventEmitter<Key, Callback> {
    const copy = new EventEmitter<Key, Callback>();
    for (const [event, callbacks] of this.#callbacks) {
      copy.#callbacks.set(event, callbacks);
    }
    return copy;
  }
}
