// Connections of a page in headless Chromium: cut at sampled bytes, made again at once when there
// is reason to, and with more to send than the network takes. `SEED=n` cuts at the same bytes
// again.

import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { CHAT_DATABASE, SERVER_URL, inTime } from '../e2e/harness.mjs';
import { Proxy } from '../e2e/proxy.mjs';
import { randomNumbers } from '../e2e/random_numbers.mjs';
import { findChromium, launch, serve } from './browser.mjs';

const skip = findChromium() === undefined;
/** Each way. */
const CUTS = Number(process.env.CUTS ?? 160);
/** A browser makes those wait that connect more often at the same time. */
const WORKERS = 4;
const MIB = 1024 * 1024;

/** Does what the page tells it, and tells whether it has a connection. */
const WORKER = `
  import '/main.js';
  onmessage = ({ data }) => (data === 'online' ? dispatchEvent(new Event(data)) : patient(...data));
  setInterval(() => postMessage(globalThis.connection?.isActive), 10);
`;

let site;
let browser;
let proxy;

before(async () => {
  if (skip) {
    return;
  }
  const entry = fileURLToPath(new URL('apps/cuts.ts', import.meta.url));
  const options = { bundle: true, format: 'esm', platform: 'browser', conditions: ['browser'] };
  const { outputFiles } = await build({ entryPoints: [entry], ...options, write: false });
  const pages = {
    '/': ['text/html', '<!doctype html><script type="module" src="/main.js"></script>'],
    '/worker.js': ['text/javascript', WORKER],
    '/main.js': ['text/javascript', outputFiles[0].text],
  };
  site = await serve(path => pages[path] ?? ['text/plain', '']);
  proxy = await new Proxy(SERVER_URL).listen();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await proxy?.close();
  site?.close();
});

async function visit() {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = [];
  page.on('pageerror', error => errors.push(String(error)));
  await page.goto(site.address);
  await page.waitForFunction(() => window.oneRun !== undefined);
  return { context, page, errors };
}

const oneRun = (page, url) =>
  inTime(
    page.evaluate(args => window.oneRun(...args), [url, CHAT_DATABASE, randomUUID()]),
    'end of a run'
  );

for (const way of ['down', 'up']) {
  test(`connections cut at sampled bytes (${way})`, { skip }, async t => {
    const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
    t.diagnostic(`SEED=${seed}`);
    const random = randomNumbers(seed);
    const { context, page, errors } = await visit();
    // How many bytes go that way, if nothing is cut.
    const whole = await new Proxy(SERVER_URL).listen();
    await oneRun(page, whole.url);
    const bytes = whole.passed[way];
    await whole.close();
    assert.ok(500 < bytes, `only ${bytes} bytes`);
    // One somewhere in each part, so that no message is left out.
    const cuts = Array.from({ length: CUTS }, (_, n) =>
      Math.floor((bytes * (n + random(1000) / 1000)) / CUTS)
    );
    let losses = 0;
    const worker = async () => {
      for (let at = cuts.pop(); at !== undefined; at = cuts.pop()) {
        const mine = await new Proxy(SERVER_URL).listen();
        mine.plans = [{ [way]: at }];
        try {
          losses += Number(await oneRun(page, mine.url));
        } catch (error) {
          error.message += ` (cut at byte ${at} of ${bytes}, SEED=${seed})`;
          throw error;
        }
        await mine.close();
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, worker));
    t.diagnostic(`${CUTS} cuts in ${bytes} bytes, ${losses} calls lost`);
    assert.ok(0 < losses, 'no cut hit a call');
    assert.deepEqual(errors, []);
    await context.close();
  });
}

test('a lost connection is made again at once when somebody looks', { skip }, async () => {
  const { context, page } = await visit();
  const isActive = is => page.waitForFunction(it => window.connection.isActive === it, is);
  await page.evaluate(args => window.patient(...args), [proxy.url, CHAT_DATABASE]);
  await isActive(true);
  const lose = async () => {
    proxy.isDown = true;
    proxy.cut();
    await isActive(false);
    proxy.isDown = false;
  };
  const happens = what =>
    page.evaluate(name => {
      const target = name === 'visibilitychange' ? document : window;
      target.dispatchEvent(new Event(name));
    }, what);
  for (const what of ['online', 'focus', 'pageshow', 'visibilitychange']) {
    await lose();
    await happens(what);
    await isActive(true);
  }
  // Nobody looks at a page that is hidden.
  await lose();
  const before = proxy.connections;
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
  });
  await happens('visibilitychange');
  await happens('online');
  await page.evaluate(() => new Promise(resolve => setTimeout(resolve, 100)));
  assert.equal(proxy.connections, before);
  await page.evaluate(() => delete document.visibilityState);
  await happens('visibilitychange');
  await isActive(true);
  // The browser's own word that the network is back.
  await context.setOffline(true);
  await lose();
  await context.setOffline(false);
  await isActive(true);
  await context.close();
});

test('in a worker, too, when the network is back', { skip }, async () => {
  const { context, page, errors } = await visit();
  const isActive = is => page.waitForFunction(it => window.isActive === it, is);
  await page.evaluate(
    args => {
      window.worker = new Worker('/worker.js', { type: 'module' });
      window.worker.onmessage = ({ data }) => (window.isActive = data);
      window.worker.postMessage(args);
    },
    [proxy.url, CHAT_DATABASE]
  );
  await isActive(true);
  proxy.isDown = true;
  proxy.cut();
  await isActive(false);
  proxy.isDown = false;
  await page.evaluate(() => window.worker.postMessage('online'));
  await isActive(true);
  assert.deepEqual(errors, []);
  await context.close();
});

test('a network that takes nothing gets no more than 16 MiB', { skip }, async () => {
  const { context, page, errors } = await visit();
  await page.evaluate(args => window.patient(...args), [proxy.url, CHAT_DATABASE]);
  await page.waitForFunction(() => window.connection.isActive);
  proxy.isHeld = true;
  await page.evaluate(count => void window.flood(count), 60);
  await page.waitForFunction(bytes => bytes < window.most, 16 * MIB);
  proxy.isHeld = false;
  await page.waitForFunction(() => window.isFlooded);
  const most = await page.evaluate(() => window.most);
  assert.ok(most < 17.1 * MIB, `${most} bytes were given to the browser`);
  assert.deepEqual(errors, []);
  await context.close();
});
