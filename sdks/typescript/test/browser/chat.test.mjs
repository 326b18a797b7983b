// The React example in headless Chromium: two people talk, and one loses the connection.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { bundle, serve } from '../../../../examples/start.mjs';
import { CHAT_DATABASE, SERVER_URL } from '../e2e/harness.mjs';
import { Proxy } from '../e2e/proxy.mjs';
import { SCREENSHOTS, findChromium, launch } from './browser.mjs';

const skip = findChromium() === undefined;
const output = mkdtempSync(join(tmpdir(), 'spacetime-chat-'));
let browser;
let site;
let proxy;

before(async () => {
  if (!skip) {
    bundle('chat-react', output);
    site = await serve('chat-react', output);
    proxy = await new Proxy(SERVER_URL).listen();
    browser = await launch();
  }
});

after(async () => {
  await browser?.close();
  await proxy?.close();
  site?.close();
  rmSync(output, { recursive: true, force: true });
});

/** A page with a storage of its own, which is somebody else. */
async function visit(uri) {
  const context = await browser.newContext({ viewport: { width: 900, height: 600 } });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = [];
  page.on('pageerror', error => errors.push(String(error)));
  page.on('console', message => {
    if (message.type() === 'error' && !/WebSocket|Failed to load resource/.test(message.text())) {
      errors.push(message.text());
    }
  });
  await page.goto(`${site.url}/?uri=${encodeURIComponent(uri)}&db=${CHAT_DATABASE}`);
  await page.locator('.state.on').waitFor();
  return { context, page, errors };
}

const texts = page => page.locator('.messages .text').allTextContents();

test('two people talk', { skip }, async () => {
  const [ann, bob] = [await visit(SERVER_URL), await visit(SERVER_URL)];
  const tag = randomUUID().slice(0, 8);
  await ann.page.getByLabel('Your name').fill(`Ann ${tag}`);
  await ann.page.getByLabel('Your name').press('Enter');
  await bob.page.locator('.people li', { hasText: `Ann ${tag}` }).waitFor();
  for (const [who, text] of [
    [ann, `Hello from Ann ${tag}`],
    [bob, `Hello from Bob ${tag}`],
    [ann, `How are you? ${tag}`],
  ]) {
    await who.page.getByLabel('Message').fill(text);
    await who.page.getByRole('button', { name: 'Send' }).click();
    for (const { page } of [ann, bob]) {
      await page.locator('.messages .text', { hasText: text }).waitFor();
    }
  }
  const seen = (await texts(bob.page)).filter(text => text.includes(tag));
  assert.deepEqual(seen, [`Hello from Ann ${tag}`, `Hello from Bob ${tag}`, `How are you? ${tag}`]);
  assert.equal(await bob.page.getByLabel('Message').inputValue(), '');
  // An error of the reducer is shown, and nothing else happens.
  await bob.page.getByLabel('Message').fill('   ');
  await bob.page.getByRole('button', { name: 'Send' }).click();
  await bob.page.locator('.error', { hasText: 'must not be empty' }).waitFor();
  await ann.page.screenshot({ path: join(SCREENSHOTS, 'chat-ann.png') });
  await bob.page.screenshot({ path: join(SCREENSHOTS, 'chat-bob.png') });
  // Who comes back is the same.
  const before = await ann.page.getByLabel('Your name').inputValue();
  await ann.page.reload();
  await ann.page.getByLabel('Your name').waitFor();
  assert.equal(await ann.page.getByLabel('Your name').inputValue(), before);
  assert.deepEqual([...ann.errors, ...bob.errors], []);
  await bob.context.close();
  await ann.page.locator('.people li', { hasText: `Ann ${tag}` }).waitFor();
  await ann.context.close();
});

test('a lost connection does not empty the page', { skip }, async () => {
  const [ann, bob] = [await visit(proxy.url), await visit(SERVER_URL)];
  const tag = randomUUID().slice(0, 8);
  const say = async ({ page }, text) => {
    await page.getByLabel('Message').fill(text);
    await page.getByRole('button', { name: 'Send' }).click();
  };
  await say(ann, `before ${tag}`);
  await ann.page.locator('.text', { hasText: `before ${tag}` }).waitFor();
  await ann.page.evaluate(() => {
    const count = () => document.querySelectorAll('.messages .text').length;
    window.least = count();
    new MutationObserver(() => {
      window.least = Math.min(window.least, count());
    }).observe(document.body, { childList: true, subtree: true });
  });
  const before = (await texts(ann.page)).length;
  proxy.isDown = true;
  proxy.cut();
  await ann.page.locator('.state:not(.on)').waitFor();
  await say(bob, `while away ${tag}`);
  await bob.page.locator('.text', { hasText: `while away ${tag}` }).waitFor();
  await say(ann, `waited ${tag}`);
  await ann.page.screenshot({ path: join(SCREENSHOTS, 'chat-lost.png') });
  assert.equal((await texts(ann.page)).length, before);
  proxy.isDown = false;
  await ann.page.locator('.text', { hasText: `while away ${tag}` }).waitFor();
  await bob.page.locator('.text', { hasText: `waited ${tag}` }).waitFor();
  await ann.page.locator('.state.on').waitFor();
  assert.equal(await ann.page.evaluate(() => window.least), before);
  assert.equal((await texts(ann.page)).filter(text => text === `before ${tag}`).length, 1);
  await ann.page.screenshot({ path: join(SCREENSHOTS, 'chat-back.png') });
  assert.deepEqual([...ann.errors, ...bob.errors], []);
  await ann.context.close();
  await bob.context.close();
});
