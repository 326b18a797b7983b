// Vue, Svelte and Solid in headless Chromium; and the connection itself, with packed messages.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { compile } from 'svelte/compiler';

import { CHAT_DATABASE, SERVER_URL, inTime } from '../e2e/harness.mjs';
import { Proxy } from '../e2e/proxy.mjs';
import { findChromium, launch } from './browser.mjs';

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
      'process.env.NODE_ENV': '"production"',
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
let server;
let address;
let browser;
let proxy;

before(async () => {
  if (skip) {
    return;
  }
  for (const name of ['vue', 'solid', 'svelte', 'order']) {
    scripts[`/${name}.js`] = await bundle(name);
  }
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const script = scripts[pathname];
    if (script !== undefined) {
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
      return;
    }
    const name = pathname.slice(1);
    const page = `<!doctype html><div id="${name}"></div><script type="module" src="/${name}.js">`;
    response.writeHead(200, { 'content-type': 'text/html' }).end(`${page}</script>`);
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${server.address().port}`;
  proxy = await new Proxy(SERVER_URL).listen();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await proxy?.close();
  server?.close();
});

async function visit(name, uri) {
  const page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  const errors = [];
  page.on('pageerror', error => errors.push(String(error)));
  const tag = randomUUID();
  const where = `uri=${encodeURIComponent(uri)}&db=${CHAT_DATABASE}&tag=${tag}`;
  await page.goto(`${address}/${name}?${where}`);
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
