// The game in headless Chromium: somebody plays among many bots, and everything moves smoothly.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { bundle, serve } from '../../../../examples/start.mjs';
import { SERVER_URL } from '../e2e/harness.mjs';
import { SCREENSHOTS, findChromium, launch } from './browser.mjs';

const GAME_DATABASE = process.env.GAME_DATABASE ?? '';
const skip = GAME_DATABASE === '' || findChromium() === undefined;
const BOTS = 100;
const FRAMES = 90;

const output = mkdtempSync(join(tmpdir(), 'spacetime-game-'));
let browser;
let site;

before(async () => {
  if (skip) {
    console.error('SKIPPED: GAME_DATABASE is not set, or there is no Chromium');
  } else {
    bundle('game', output);
    site = await serve('game', output);
    browser = await launch();
  }
});

after(async () => {
  await browser?.close();
  site?.close();
  rmSync(output, { recursive: true, force: true });
});

async function visit() {
  const page = await browser.newPage({ viewport: { width: 1000, height: 700 } });
  page.setDefaultTimeout(60_000);
  const errors = [];
  page.on('pageerror', error => errors.push(String(error)));
  await page.goto(`${site.url}/?uri=${encodeURIComponent(SERVER_URL)}&db=${GAME_DATABASE}`);
  await page.locator('#state', { hasText: 'connected: ' }).waitFor();
  return { page, errors };
}

async function setBots(count) {
  const response = await fetch(`${SERVER_URL}/v1/database/${GAME_DATABASE}/call/set_bots`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([count]),
  });
  assert.ok(response.ok, await response.text());
}

/** What is drawn in frames from when all are there: so many, and until time has passed. */
const frames = page =>
  page.evaluate(
    ([count, bots]) =>
      new Promise(resolve => {
        const seen = [];
        let early = 0;
        const listener = ({ detail: { now, tick, bodies } }) => {
          const drawn = bodies.map(({ id, x, y, isMine }) => ({ id: String(id), x, y, isMine }));
          const isComplete = bots <= drawn.length && drawn.some(({ isMine }) => isMine);
          // At the beginning the picture still looks for its pace.
          if (!isComplete || early < 30) {
            early += 1;
            return;
          }
          seen.push({ now, tick, drawn });
          if (count <= seen.length && seen[0].tick + 10 < tick) {
            removeEventListener('frame', listener);
            resolve(seen);
          }
        };
        addEventListener('frame', listener);
      }),
    [FRAMES, BOTS - 5]
  );

test('a player among many bots', { skip }, async () => {
  await setBots(BOTS);
  const [first, second] = [await visit(), await visit()];
  await first.page.getByPlaceholder('Your name').fill('Ann');
  await first.page.getByRole('button', { name: 'Play' }).click();
  await first.page.locator('#join').waitFor({ state: 'hidden' });
  await second.page.getByPlaceholder('Your name').fill('Bob');
  await second.page.getByRole('button', { name: 'Play' }).click();
  await second.page.locator('#join').waitFor({ state: 'hidden' });
  await first.page.mouse.move(900, 350);
  await first.page.mouse.move(905, 355);
  const seen = await frames(first.page);
  await first.page.screenshot({ path: join(SCREENSHOTS, 'game-ann.png') });
  await second.page.screenshot({ path: join(SCREENSHOTS, 'game-bob.png') });

  const elapsedMs = seen.at(-1).now - seen[0].now;
  assert.ok(BOTS <= seen[0].drawn.length + 5, `${seen[0].drawn.length} bodies are drawn`);
  // Time in the picture runs evenly, and about as fast as outside.
  const ticks = seen.at(-1).tick - seen[0].tick;
  assert.ok(0 < ticks, 'the picture stands still');
  let backwards = 0;
  for (let at = 1; at < seen.length; at += 1) {
    backwards += Number(seen[at].tick < seen[at - 1].tick);
  }
  assert.equal(backwards, 0);
  // No body goes further from one frame to the next than its speed allows: nothing jumps.
  const unitsEachTick = (160 * 50) / 1000;
  let [moved, steps] = [0, 0];
  for (let at = 1; at < seen.length; at += 1) {
    const before = new Map(seen[at - 1].drawn.map(body => [body.id, body]));
    const passed = seen[at].tick - seen[at - 1].tick;
    steps += Number(0 < passed);
    for (const { id, x, y } of seen[at].drawn) {
      const old = before.get(id);
      if (old !== undefined) {
        const way = Math.hypot(x - old.x, y - old.y);
        moved += Number(0 < way);
        assert.ok(way <= unitsEachTick * passed * 1.05 + 0.01, `body ${id} jumped ${way}`);
      }
    }
  }
  // Where the server was late, the picture stands still for a frame.
  const perFrame = moved / steps;
  assert.ok(BOTS / 2 < perFrame, `only ${perFrame} bodies move from frame to frame`);
  const rate = (1000 * (seen.length - 1)) / elapsedMs;
  console.log(`${rate.toFixed(0)} frames a second, ${perFrame.toFixed(0)} bodies moving`);
  const mine = seen[0].drawn.find(body => body.isMine);
  assert.ok(mine !== undefined, 'the own body is drawn');
  assert.deepEqual([...first.errors, ...second.errors], []);
  await first.page.close();
  // Who leaves is gone for the others.
  await second.page.waitForFunction(
    () => !document.querySelector('#ranking').textContent.includes('Ann')
  );
  await second.page.close();
});
