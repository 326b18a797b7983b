// What somebody does with each kind of project while `spacetime dev` works on it.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PAGE_MS_MAX = 60_000;

/** A new column and a new reducer: clients are sent away, and bindings change. */
function changeModule(project) {
  const path = join(project, 'spacetimedb/src/lib.rs');
  const old = readFileSync(path, 'utf8');
  const code = old
    .replace('    name: String,\n}', '    name: String,\n    #[default(7)]\n    age: u32,\n}')
    .replace('insert(Person { name })', 'insert(Person { name, age: 8 })')
    .replace('    text: String,\n}', '    text: String,\n    #[default(7)]\n    likes: u32,\n}')
    .replace('Message { sender, sent, text }', 'Message { sender, sent, text, likes: 8 }')
    .concat('\n#[reducer]\npub fn something_new(_ctx: &ReducerContext) {}\n');
  assert.notEqual(code.length, old.length + 65, 'the module is not the one that is known here');
  writeFileSync(path, code);
}

/** The module changes; the database and the bindings follow. */
async function change({ project, dev }) {
  changeModule(project);
  await dev.waitFor('Something changed');
  await dev.waitFor('Published successfully!', 2);
  await dev.waitFor('Writing file');
  await dev.waitFor(() => {
    const bindings = join(project, 'src/module_bindings');
    return readdirSync(bindings).some(name => name.startsWith('something_new'));
  });
}

const isLine = line => text => text.split('\n').includes(line);

async function sayHello({ dev, call }) {
  call('say_hello');
  await dev.waitFor('Hello, Alice!');
  await dev.waitFor('Hello, World!');
}

/** A program for the terminal, with people. */
async function people(it) {
  const { dev, call } = it;
  await dev.waitFor('people are here');
  dev.type('Bob');
  await dev.waitFor(isLine('Bob'));
  call('add', 'Alice');
  await dev.waitFor(isLine('Alice'));
  await sayHello(it);
  await change(it);
  // The two of before are still there, and the client, or its successor, shows what is new.
  await dev.waitFor('2 people are here');
  call('add', 'Carol');
  await dev.waitFor(isLine('Carol'));
  dev.type('Dora');
  await dev.waitFor(isLine('Dora'));
}

/** Opens the page that the build tool has said it serves. */
async function open({ dev, pages }) {
  assert.notEqual(pages, undefined, 'there is no Chromium');
  let url;
  await dev.waitFor(text => (url = /http:\/\/localhost:\d+/.exec(text)?.[0]) !== undefined);
  const page = await pages.newPage();
  page.setDefaultTimeout(PAGE_MS_MAX);
  const errors = [];
  page.on('pageerror', error => errors.push(String(error)));
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) {
      console.log(`  the page says: ${message.text()}`);
    }
  });
  await page.goto(url);
  return { page, url, errors };
}

const isListed = (page, name) => page.locator('li').filter({ hasText: name }).first().waitFor();

/** A page with people. */
async function peoplePage(it) {
  const { id, call, clients, picture } = it;
  const { page, url, errors } = await open(it);
  await page.getByText('connected', { exact: true }).waitFor();
  await page.getByLabel('Name').fill('Bob');
  await page.getByRole('button', { name: 'Add' }).click();
  await isListed(page, 'Bob');
  call('add', 'Alice');
  await isListed(page, 'Alice');
  await sayHello(it);
  await page.screenshot({ path: picture });
  if (id === 'nextjs-ts') {
    const html = await (await fetch(url)).text();
    assert.match(html, /<li>Alice<\/li>/, 'the page that the server makes has the people in it');
    // Its connections end; the browser's stays, and who asks is a client for that time.
    const late = Date.now() + PAGE_MS_MAX;
    while (clients() !== 2) {
      assert(Date.now() < late, 'the connections of the server stay');
      await sleep(100);
    }
  }
  assert.deepEqual(errors, []);
  // From here on a page may stumble over rows that its bindings do not know, until it has new ones.
  await change(it);
  // Not as somebody who opens it anew: the page itself goes on.
  call('add', 'Carol');
  await isListed(page, 'Carol');
  await isListed(page, 'Alice');
  await page.getByText('connected', { exact: true }).waitFor();
  await page.getByLabel('Name').fill('Dora');
  await page.getByRole('button', { name: 'Add' }).click();
  await isListed(page, 'Dora');
  assert.equal(await page.locator('li').count(), 4);
}

async function chatPage(it) {
  const { call, picture } = it;
  const { page, errors } = await open(it);
  await page.getByText('online').waitFor();
  await page.getByLabel('Name').fill('Ann');
  await page.getByRole('button', { name: 'Rename' }).click();
  await page.getByText('You are Ann.').waitFor();
  await page.getByLabel('Message').fill('hello from the page');
  await page.getByRole('button', { name: 'Send' }).click();
  await isListed(page, 'Ann: hello from the page');
  call('send_message', 'hello from outside');
  await isListed(page, 'hello from outside');
  await page.getByLabel('Message').fill(' ');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByText('a message must not be empty').waitFor();
  await page.screenshot({ path: picture });
  assert.deepEqual(errors, []);
  await change(it);
  call('send_message', 'hello again');
  await isListed(page, 'hello again');
  // The token was kept: it is the same person.
  await page.getByText('You are Ann.').waitFor();
}

async function chatConsole(it) {
  const { dev, call } = it;
  await dev.waitFor('type a message');
  dev.type('/name Ann');
  await dev.waitFor('is now called Ann');
  dev.type('hello from here');
  await dev.waitFor(isLine('Ann: hello from here'));
  call('send_message', 'hello from outside');
  await dev.waitFor(': hello from outside');
  await change(it);
  await dev.waitFor('type a message', 2);
  dev.type('hello again');
  await dev.waitFor(isLine('Ann: hello again'));
}

/** By template, otherwise by the language of the client. */
export const CHECKS = {
  rust: people,
  typescript: peoplePage,
  'basic-ts': people,
  'nodejs-ts': people,
  'bun-ts': people,
  'deno-ts': people,
  'chat-console-rs': chatConsole,
  'chat-react-ts': chatPage,
};
