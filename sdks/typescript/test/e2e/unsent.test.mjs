// What is sent faster than the network takes it waits in the client, and is bounded.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ConnectionLostError, openWebSocket } from 'spacetime-client';

import { DbConnection } from '../bindings/kitchen_sink.mjs';
import { KITCHEN_SINK_DATABASE, SERVER_URL, connect, inTime, until } from './harness.mjs';
import { Proxy } from './proxy.mjs';

const MIB = 1024 * 1024;

let proxy;
before(async () => {
  proxy = await new Proxy(SERVER_URL).listen();
});
after(() => proxy.close());

/** A connection, and how many bytes its socket has had to keep. */
async function watched() {
  const seen = { most: 0 };
  const { connection } = await connect(DbConnection, KITCHEN_SINK_DATABASE, {
    url: proxy.url,
    adjust: builder =>
      builder.withWSFn(async args => {
        const socket = await openWebSocket(args);
        const send = socket.send.bind(socket);
        socket.send = message => {
          send(message);
          seen.most = Math.max(seen.most, socket.bufferedAmount);
        };
        return socket;
      }),
  });
  return { connection, seen };
}

/** Calls that change nothing, with a MiB of arguments each. */
const calls = (connection, count) =>
  Array.from({ length: count }, (_, n) =>
    connection.reducers.deleteItemByLabel({ label: `${n} `.padEnd(MIB, 'x') })
  );

test('a network that takes nothing gets no more than 16 MiB', async () => {
  const { connection, seen } = await watched();
  proxy.isHeld = true;
  const waiting = calls(connection, 60);
  await until(() => 16 * MIB < seen.most, 'congestion');
  proxy.isHeld = false;
  await inTime(Promise.all(waiting), 'end of all calls');
  assert.ok(seen.most < 17.1 * MIB, `${seen.most} bytes were given to the socket`);
  connection.disconnect();
});

test('what waits behind them is bounded as well', async () => {
  const { connection, seen } = await watched();
  proxy.isHeld = true;
  const ends = calls(connection, 120).map(call =>
    call.then(
      () => undefined,
      error => error
    )
  );
  await until(() => 16 * MIB < seen.most, 'congestion');
  proxy.isHeld = false;
  const errors = (await inTime(Promise.all(ends), 'end of all calls')).filter(Boolean);
  // 16 MiB in the socket and 64 MiB behind it, and what the network has taken meanwhile.
  assert.ok(0 < errors.length && errors.length <= 45, `${errors.length} calls were refused`);
  assert.ok(errors.every(error => error instanceof ConnectionLostError && !error.wasSent));
  connection.disconnect();
});

test('what was called before the end is sent, also when the network is slow', async () => {
  const { connection } = await watched();
  proxy.isHeld = true;
  const ends = calls(connection, 30).map(call => call.catch(error => error));
  await new Promise(resolve => queueMicrotask(resolve));
  connection.disconnect();
  proxy.isHeld = false;
  for (const error of (await inTime(Promise.all(ends), 'end of all calls')).filter(Boolean)) {
    assert.ok(error.wasSent, 'a call was not sent');
  }
});
