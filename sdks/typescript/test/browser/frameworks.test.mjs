// React, Vue, Svelte and Solid in headless Chromium; and the connection itself, with packed
// messages.

import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { compile } from 'svelte/compiler';

import { DbConnection } from '../bindings/kitchen_sink.mjs';
import {
  CHAT_DATABASE,
  KITCHEN_SINK_DATABASE,
  SERVER_URL,
  connect,
  inTime,
  subscribe,
} from '../e2e/harness.mjs';
import { Proxy } from '../e2e/proxy.mjs';
import { findChromium, launch, serve } from './browser.mjs';

const APPS = join(dirname(fileURLToPath(import.meta.url)), 'apps');
const skip = findChromium() === undefined;

const svelte = {
  name: 'svelte',
  setup(it) {
    it.onLoad({ filter: /\.svelte$/ }, ({ path }) => {
      const { js } = compile(readFileSync(path, 'utf8'), { filename: path, generate: 'client' });
      return { contents: js.code, loader: 'js', resolveDir: APPS };
    });
  },
};

async function bundle(name) {
  const { outputFiles } = await build({
    entryPoints: [join(APPS, `${name}.ts`)],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['browser'],
    define: {
      // In development React mounts everything twice, to find out who cannot bear it.
      'process.env.NODE_ENV': name === 'react' ? '"development"' : '"production"',
      __VUE_OPTIONS_API__: 'true',
      __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    },
    plugins: [svelte],
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0].text;
}

const scripts = {};
let site;
let browser;
let proxy;

before(async () => {
  if (skip) {
    return;
  }
  for (const name of ['react', 'vue', 'solid', 'svelte', 'order']) {
    scripts[`/${name}.js`] = await bundle(name);
  }
  site = await serve(path => {
    const script = scripts[path];
    if (script !== undefined) {
      return ['text/javascript', script];
    }
    const name = path.slice(1);
    const page = `<!doctype html><div id="${name}"></div><script type="module" src="/${name}.js">`;
    return ['text/html', `${page}</script>`];
  });
  proxy = await new Proxy(SERVER_URL).listen();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await proxy?.close();
  site?.close();
});

async function visit(name, uri, more = `db=${CHAT_DATABASE}`) {
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  const errors = [];
  page.on('pageerror', error => errors.push(String(error)));
  const tag = randomUUID();
  const where = `uri=${encodeURIComponent(uri)}&tag=${tag}&${more}`;
  await page.goto(`${site.address}/${name}?${where}`);
  return { page, errors };
}

for (const name of ['vue', 'solid', 'svelte']) {
  test(`${name}: rows, calls, and a connection that is lost`, { skip }, async () => {
    const { page, errors } = await visit(name, proxy.url);
    const shows = text => page.getByText(text, { exact: true }).waitFor();
    await shows('true true 0');
    await page.getByRole('button').click();
    await shows('true true 1');
    proxy.isDown = true;
    proxy.cut();
    // The row stays.
    await shows('false true 1');
    await page.getByRole('button').click();
    proxy.isDown = false;
    await shows('true true 2');
    assert.deepEqual(errors, []);
    await page.close();
  });
}

test('react: one connection in strict mode, one render for a message', { skip }, async () => {
  const owner = BigInt(randomInt(2 ** 40));
  const { connection } = await connect(DbConnection, KITCHEN_SINK_DATABASE);
  await subscribe(connection, `SELECT * FROM item WHERE owner = ${owner}`);
  const insert = (label, shelf) =>
    connection.reducers.insertItem({ shelf, row: 0, name: 'n', owner, label: `${label}${owner}` });
  const move = (from, to, shelf) => {
    const row = connection.db.item.label.find(`${from}${owner}`);
    const label = `${to}${owner}`;
    return connection.reducers.updateItem({ row: { ...row, label, shelf } });
  };
  await insert('a', 1);
  const before = proxy.connections;
  const more = `db=${KITCHEN_SINK_DATABASE}&owner=${owner}`;
  const { page, errors } = await visit('react', proxy.url, more);
  let read = 0;
  const logged = async (...expected) => {
    const wanted = expected.map(text => text.replace(/^([-+])(\w)$/, `$1$2${owner}`));
    await page.waitForFunction(count => count <= window.log.length, read + wanted.length);
    const lines = await page.evaluate(from => window.log.slice(from), read);
    read += lines.length;
    assert.deepEqual(lines, wanted);
  };
  await page.waitForFunction(() => window.log.includes('1 rows, true'));
  assert.equal(proxy.connections - before, 1, 'strict mode made another connection');
  read = await page.evaluate(() => window.log.length);

  await insert('b', 2);
  await logged('+b', '2 rows, true');
  await insert('far', 20);
  await move('b', 'c', 3);
  await logged(`b${owner}>c${owner}`, '2 rows, true');
  // Out of the query and into it by changing.
  await move('c', 'd', 30);
  await logged(`-c${owner}`, '1 rows, true');
  await move('d', 'e', 4);
  await logged('+e', '2 rows, true');
  // Without the subscription the rows go, and come back with it.
  const onOff = page.getByRole('button', { name: 'switch' });
  await onOff.click();
  await logged('0 rows, true');
  await insert('unseen', 5);
  await onOff.click();
  await page.waitForFunction(() => window.log.at(-1) === '3 rows, true');
  read = await page.evaluate(() => window.log.length);
  // Three rows go in one message: one render.
  await page.getByRole('button', { name: 'remove' }).click();
  await page.waitForFunction(() => window.log.at(-1) === '0 rows, true');
  const last = await page.evaluate(from => window.log.slice(from), read);
  assert.deepEqual(
    last.filter(line => line.endsWith('true')),
    ['0 rows, true']
  );
  assert.equal(last.length, 4);
  assert.deepEqual(errors, []);
  await page.close();
  connection.disconnect();
});

test('messages that are packed are not overtaken', { skip }, async () => {
  const { page, errors } = await visit('order', SERVER_URL);
  await inTime(
    page.waitForFunction(() => document.getElementById('order').textContent),
    'outcome'
  );
  assert.equal(await page.locator('#order').textContent(), '60 true 60 true');
  assert.deepEqual(errors, []);
  await page.close();
});
