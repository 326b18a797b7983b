// `node examples/start.mjs NAME` from the start to the end: a server of its own, the module, a live
// update, the page, Ctrl-C.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { inTime } from './harness.mjs';

const { SPACETIME_BIN, SPACETIME_MODULES_DIR } = process.env;
const skip = !SPACETIME_BIN || !SPACETIME_MODULES_DIR;
const START = fileURLToPath(new URL('../../../../examples/start.mjs', import.meta.url));
const START_MS_MAX = 120_000;

before(() => {
  if (skip) {
    console.error('SKIPPED: SPACETIME_BIN and SPACETIME_MODULES_DIR are not set');
  }
});

/** The address that an example prints when all of it runs. */
function addressOf(example) {
  return new Promise((resolve, reject) => {
    let output = '';
    const read = chunk => {
      output += chunk;
      const address = /Open (\S+)/.exec(output)?.[1];
      if (address !== undefined) {
        assert.match(output, /the first live update/);
        resolve(address);
      }
    };
    example.stdout.on('data', read);
    example.stderr.on('data', read);
    example.on('exit', code => reject(new Error(`it ended with ${code}:\n${output}`)));
    setTimeout(() => reject(new Error(`no end of:\n${output}`)), START_MS_MAX).unref();
  });
}

for (const name of ['chat-react', 'game']) {
  test(`examples/${name}`, { skip }, async () => {
    const env = { ...process.env, SPACETIME: SPACETIME_BIN };
    const example = spawn(process.execPath, [START, name], { env, stdio: 'pipe' });
    const ended = new Promise(resolve => example.on('exit', resolve));
    try {
      const address = new URL(await addressOf(example));
      const page = await fetch(address);
      assert.match(await page.text(), /<script type="module" src="main.js">/);
      const script = await fetch(new URL('main.js', address));
      assert.equal(script.headers.get('content-type'), 'text/javascript');
      assert.ok(10_000 < (await script.arrayBuffer()).byteLength);
      const schema = `/v1/database/${address.searchParams.get('db')}/schema?version=9`;
      const uri = address.searchParams.get('uri');
      assert.ok((await fetch(uri + schema)).ok);
      example.kill('SIGINT');
      assert.equal(await inTime(ended, 'end after Ctrl-C'), 0);
      await assert.rejects(fetch(uri), 'the server has ended as well');
    } finally {
      example.kill('SIGKILL');
    }
  });
}
