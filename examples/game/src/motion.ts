// Smooth motion from twenty messages a second. What is drawn lies a little in the past, between
// two ticks that are both known; how far in the past adapts itself to how ticks really come.

export type Place = { x: number; y: number; mass: number };
type Sample = Place & { tick: number };

export const TICK_MS = 50;

/** How many ticks the picture is behind. */
const BEHIND_TICKS = 2.5;
/** Further off than this, the playhead jumps. */
const JUMP_TICKS = 15;
const SAMPLES_MAX = 32;

/** Which moment is drawn, in ticks. It moves evenly, a little faster or slower to stay behind. */
export class Playhead {
  at = 0;
  #isSet = false;

  advance(elapsedMs: number, latestTick: number): void {
    const target = latestTick - BEHIND_TICKS;
    const error = target - this.at;
    if (!this.#isSet || JUMP_TICKS < Math.abs(error)) {
      this.#isSet = true;
      this.at = target;
      return;
    }
    const rate = Math.min(1.5, Math.max(0.5, 1 + 0.1 * error));
    this.at = Math.min(latestTick, this.at + (elapsedMs / TICK_MS) * rate);
  }
}

/** Where a body was at the last ticks. */
export class Track {
  #samples: Sample[] = [];
  /** The tick in which it was deleted. */
  end = Infinity;

  add(tick: number, { x, y, mass }: Place): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && last.tick < tick - 1) {
      // It stood still until the tick before.
      this.#samples.push({ ...last, tick: tick - 1 });
    }
    if (last?.tick === tick) {
      this.#samples.pop();
    }
    this.#samples.push({ tick, x, y, mass });
    if (SAMPLES_MAX < this.#samples.length) {
      this.#samples.shift();
    }
  }

  /** Where it is at a moment between ticks; nowhere before its first tick and after its end. */
  placeAt(at: number): Place | undefined {
    const samples = this.#samples;
    const first = samples[0];
    if (first === undefined || this.end <= at || at < first.tick - 1) {
      return undefined;
    }
    let index = samples.length - 1;
    while (0 < index && at < samples[index]!.tick) {
      index -= 1;
    }
    const from = samples[index]!;
    const to = samples[index + 1];
    if (to === undefined || at <= from.tick) {
      return from;
    }
    const part = (at - from.tick) / (to.tick - from.tick);
    const between = (a: number, b: number): number => a + (b - a) * part;
    return {
      x: between(from.x, to.x),
      y: between(from.y, to.y),
      mass: between(from.mass, to.mass),
    };
  }
}
