// Encrypted connections, through a proxy that takes the encryption off. The certificates are for
// tests alone: an authority, and a server at 127.0.0.1.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect as dial } from 'node:net';
import { after, before, test } from 'node:test';
import { createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';

import { CHAT_DATABASE, SERVER_URL } from './harness.mjs';

const CERTIFICATES = new URL('../../../conformance/tests/client/tls/', import.meta.url);
const CLIENT = fileURLToPath(new URL('tls_client.mjs', import.meta.url));

let proxy;
before(async () => {
  const target = new URL(SERVER_URL);
  const [cert, key] = ['server.pem', 'server.key'].map(name =>
    readFileSync(new URL(name, CERTIFICATES))
  );
  proxy = createServer({ cert, key }, client => {
    const server = dial(Number(target.port), target.hostname);
    client.pipe(server).pipe(client);
    for (const [one, two] of [
      [client, server],
      [server, client],
    ]) {
      one.on('error', () => {});
      one.on('close', () => two.destroy());
    }
  });
  proxy.on('tlsClientError', () => {});
  await new Promise(resolve => proxy.listen(0, '127.0.0.1', resolve));
});
after(() => proxy.close());

/** What a client says that trusts these authorities beside the usual ones. */
function said(authorities) {
  const url = `https://127.0.0.1:${proxy.address().port}`;
  const env = { ...process.env, ...authorities };
  const client = spawn(process.execPath, [CLIENT, url, CHAT_DATABASE], { env });
  let output = '';
  client.stdout.on('data', chunk => (output += chunk));
  return new Promise((resolve, reject) => {
    client.on('error', reject);
    client.on('close', () => resolve(output.trim()));
  });
}

test('a server whose certificate is trusted', async () => {
  const authority = fileURLToPath(new URL('authority.pem', CERTIFICATES));
  assert.equal(await said({ NODE_EXTRA_CA_CERTS: authority }), 'behind a lock, the same');
});

test('a server whose certificate nobody vouches for is no server', async () => {
  assert.match(await said({ NODE_EXTRA_CA_CERTS: '' }), /^refused: .*certificate/);
});
