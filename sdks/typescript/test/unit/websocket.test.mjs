// The WebSocket client for Node, against a server that says exactly what the test wants, in pieces
// of every size; and the frames that come out of it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import http from 'node:http';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { NodeWebSocket } from '../../dist/platform/node_websocket.js';
import { platform as web } from '../../dist/platform/web.js';
import { FrameAdapter } from '../../dist/connection/transport.js';
import { reconnectDelayMs, reconnectPolicy, isFinal } from '../../dist/connection/reconnect.js';
import { ConnectionError, ProtocolError } from 'spacetime-client';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

function frame(op, payload, { last = true, masked = false } = {}) {
  const bytes = Buffer.from(payload);
  const head = [(last ? 0x80 : 0) | op];
  const mask = masked ? 0x80 : 0;
  if (bytes.length < 126) {
    head.push(mask | bytes.length);
  } else if (bytes.length < 65536) {
    head.push(mask | 126, bytes.length >> 8, bytes.length & 255);
  } else {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(bytes.length));
    head.push(mask | 127, ...length);
  }
  return Buffer.concat([Buffer.from(head), ...(masked ? [Buffer.alloc(4)] : []), bytes]);
}

const closeFrame = (code, reason) => {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return frame(8, Buffer.concat([head, Buffer.from(reason)]));
};

/** Frames that a client has sent, without their masks. */
function parseClient(data) {
  const frames = [];
  let at = 0;
  while (at + 6 <= data.length) {
    let length = data[at + 1] & 0x7f;
    assert.ok(data[at + 1] & 0x80, 'frames of clients are masked');
    let start = at + 2;
    if (length === 126) {
      length = data.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      length = Number(data.readBigUInt64BE(start));
      start += 8;
    }
    const mask = data.subarray(start, start + 4);
    start += 4;
    if (data.length < start + length) {
      break;
    }
    const payload = Buffer.from(data.subarray(start, start + length));
    payload.forEach((byte, place) => (payload[place] = byte ^ mask[place & 3]));
    frames.push({ op: data[at] & 15, payload });
    at = start + length;
  }
  return frames;
}

/** A server that makes the handshake, and then calls `talk` with the socket. */
async function serve(talk, answer) {
  const received = [];
  const server = http.createServer((request, response) => {
    response.writeHead(404).end('`nowhere` not found');
  });
  server.on('upgrade', (request, socket) => {
    if (answer !== undefined) {
      socket.end(answer);
      return;
    }
    const accept = createHash('sha1')
      .update(request.headers['sec-websocket-key'] + GUID)
      .digest('base64');
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: two\r\n\r\n`
    );
    socket.setNoDelay(true);
    socket.on('data', chunk => received.push(chunk));
    socket.on('error', () => {});
    talk(socket, request, () => parseClient(Buffer.concat(received)));
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`ws://127.0.0.1:${server.address().port}/path?x=1`);
  return { url, server, frames: () => parseClient(Buffer.concat(received)) };
}

/** Everything that a client reports until it is closed. */
function follow(url, onOpen = () => {}) {
  const seen = { messages: [] };
  const socket = new NodeWebSocket(url, ['one', 'two'], { Authorization: 'Bearer x' });
  socket.onopen = () => {
    seen.protocol = socket.protocol;
    onOpen(socket);
  };
  socket.onmessage = ({ data }) => seen.messages.push(data);
  socket.onerror = ({ error, code }) => {
    seen.error = error;
    seen.code = code;
  };
  return new Promise(resolve => {
    socket.onclose = close => resolve({ ...seen, close, state: socket.readyState });
  });
}

const bytesOf = data => [...new Uint8Array(data)];

test('messages in frames of every form, cut at every byte', async () => {
  const long = Array.from({ length: 300 }, (_, n) => n % 256);
  const stream = Buffer.concat([
    frame(2, [1, 2, 3]),
    frame(9, [7]),
    frame(2, [], { last: true }),
    frame(2, [4], { last: false }),
    frame(9, []),
    frame(0, [5], { last: false }),
    frame(0, [6]),
    frame(2, long),
    closeFrame(1001, 'bye'),
  ]);
  for (let cut = 1; cut < stream.length; cut += 1) {
    const { url, server, frames } = await serve(socket => {
      socket.write(stream.subarray(0, cut));
      setTimeout(() => socket.write(stream.subarray(cut)), 1);
    });
    const seen = await follow(url);
    assert.deepEqual(seen.messages.map(bytesOf), [[1, 2, 3], [], [4, 5, 6], long]);
    assert.equal(seen.error, undefined);
    assert.deepEqual(seen.close, { code: 1001, reason: 'bye', wasClean: true });
    assert.equal(seen.protocol, 'two');
    while (frames().at(-1)?.op !== 8) {
      await new Promise(resolve => setTimeout(resolve, 1));
    }
    const answers = frames().map(({ op, payload }) => [op, ...payload]);
    assert.deepEqual(answers.slice(0, 2), [[10, 7], [10]]);
    assert.deepEqual(answers.at(-1), [8, 1001 >> 8, 1001 & 255]);
    server.close();
  }
});

test('a large message, and what is sent', async () => {
  const large = Buffer.alloc(3_000_000, 5);
  const sizes = [0, 125, 126, 65535, 65536, 200_000];
  const { url, server, frames } = await serve(async (socket, request, sent) => {
    assert.equal(request.url, '/path?x=1');
    assert.equal(request.headers.authorization, 'Bearer x');
    socket.write(frame(2, large));
    // What the client wants to say comes before it closes.
    while (sent().at(-1)?.op !== 8) {
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    assert.equal(sent().length, sizes.length + 1);
    socket.end(closeFrame(1000, ''));
  });
  const seen = await follow(url, socket => {
    assert.equal(socket.readyState, 1);
    for (const size of sizes) {
      socket.send(new Uint8Array(size).fill(9));
    }
    socket.onmessage = ({ data }) => {
      assert.equal(data.byteLength, large.length);
      socket.close();
    };
  });
  assert.equal(seen.state, 3);
  const sent = frames().filter(({ op }) => op === 2);
  assert.deepEqual(
    sent.map(({ payload }) => payload.length),
    sizes
  );
  assert.ok(sent.every(({ payload }) => payload.every(byte => byte === 9)));
  server.close();
});

const REFUSED_STREAMS = {
  'a masked frame': frame(2, [1], { masked: true }),
  'bits that nobody agreed on': Buffer.from([0xc2, 0]),
  'a part without a beginning': frame(0, [1]),
  'a beginning within a message': Buffer.concat([frame(2, [1], { last: false }), frame(2, [1])]),
  'a control frame in parts': frame(9, [], { last: false }),
  'a control frame that is long': frame(9, new Array(126).fill(0)),
  'an unknown kind': frame(3, [1]),
  'an unknown control frame': frame(11, []),
  'a length that nobody has': Buffer.from([0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255]),
};

for (const [what, stream] of Object.entries(REFUSED_STREAMS)) {
  test(`${what} ends the connection with an error`, async () => {
    const { url, server } = await serve(socket => socket.write(stream));
    const seen = await follow(url);
    assert.ok(seen.error instanceof Error);
    assert.equal(seen.close.wasClean, false);
    assert.deepEqual(seen.messages, []);
    server.closeAllConnections();
    server.close();
  });
}

test('a refusal says why, with its status', async () => {
  const refusals = [
    ['HTTP/1.1 401 Unauthorized\r\nContent-Length: 9\r\n\r\nbad token', 401, /401.*bad token/],
    [
      'HTTP/1.1 101 Fine\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      undefined,
      /handshake/,
    ],
    ['nonsense\r\n\r\n', undefined, /./],
  ];
  for (const [answer, code, text] of refusals) {
    const { url, server } = await serve(() => {}, answer);
    const seen = await follow(url);
    assert.match(seen.error.message, text);
    assert.equal(seen.code, code);
    assert.equal(seen.close.code, 1006);
    server.close();
  }
  const seen = await follow(new URL('ws://127.0.0.1:1/'));
  assert.match(seen.error.message, /ECONNREFUSED/);
});

/** A socket that is told what to say. */
const silentSocket = () => ({ protocol: '', readyState: 1, send() {}, close() {} });

test('frames that take longer to unpack are not overtaken', async t => {
  // As in browsers: unpacking takes a while.
  const unpack = web.decompress;
  const { platform } = await import('../../dist/platform/node.js');
  t.mock.method(platform, 'decompress', (format, bytes) => unpack(format, bytes));
  const socket = silentSocket();
  const adapter = new FrameAdapter(socket);
  const seen = [];
  adapter.onmessage = ({ data }) => seen.push([...data]);
  adapter.onclose = () => seen.push('closed');
  const plain = bytes => socket.onmessage({ data: Uint8Array.from([0, ...bytes]).buffer });
  const packed = bytes => {
    const body = gzipSync(Buffer.from(bytes));
    socket.onmessage({ data: Uint8Array.from([2, ...body]).buffer });
  };
  plain([1]);
  assert.deepEqual(seen, [[1]], 'nothing waits without a reason');
  packed([2, 2]);
  plain([3]);
  packed([4]);
  plain([5]);
  socket.onclose({ code: 1000, reason: '' });
  while (seen.at(-1) !== 'closed') {
    await new Promise(resolve => setTimeout(resolve, 1));
  }
  assert.deepEqual(seen, [[1], [2, 2], [3], [4], [5], 'closed']);
});

test('frames that come faster than they are unpacked end the connection', async t => {
  let unpacked = () => {};
  const { platform } = await import('../../dist/platform/node.js');
  t.mock.method(platform, 'decompress', () => new Promise(resolve => (unpacked = resolve)));
  const socket = silentSocket();
  let closes = 0;
  socket.close = () => (closes += 1);
  const adapter = new FrameAdapter(socket, 1000);
  const [seen, errors] = [[], []];
  adapter.onmessage = ({ data }) => seen.push(data.length);
  adapter.onerror = ({ error }) => errors.push(error);
  const receive = (format, length) => {
    const data = new Uint8Array(length);
    data[0] = format;
    socket.onmessage({ data: data.buffer });
  };
  // One frame is always taken, however long.
  receive(2, 2000);
  await new Promise(resolve => setImmediate(resolve));
  unpacked(new Uint8Array(7));
  while (seen.length === 0) {
    await new Promise(resolve => setImmediate(resolve));
  }
  receive(2, 500);
  receive(0, 500);
  assert.deepEqual(errors, []);
  receive(0, 1);
  receive(0, 1);
  assert.match(errors[0].message, /more than 1000 bytes/);
  assert.equal(errors.length, 1);
  assert.equal(closes, 1);
  assert.ok(!isFinal(errors[0]), 'another connection may be quicker');
  await new Promise(resolve => setImmediate(resolve));
  unpacked(new Uint8Array(8));
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(seen, [7], 'what comes after a gap is not told');
});

test('frames that cannot be unpacked are errors', async () => {
  for (const data of [
    Uint8Array.from([2, 1, 2, 3]).buffer,
    Uint8Array.from([9, 1]).buffer,
    new ArrayBuffer(0),
    'text',
  ]) {
    const socket = silentSocket();
    const adapter = new FrameAdapter(socket);
    const errors = [];
    adapter.onerror = ({ error }) => errors.push(error);
    adapter.onmessage = () => assert.fail('a message came of it');
    socket.onmessage({ data });
    while (errors.length === 0) {
      await new Promise(resolve => setTimeout(resolve, 1));
    }
    assert.ok(errors[0] instanceof ProtocolError, String(errors));
  }
});

test('delays double, up to a limit, and some errors are final', () => {
  const policy = reconnectPolicy();
  const delays = [0, 1, 2, 3, 4, 5, 6, 1000].map(it => reconnectDelayMs(policy, it, () => 0));
  assert.deepEqual(delays, [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  assert.equal(
    reconnectDelayMs(policy, 1, () => 1),
    1500
  );
  assert.ok(isFinal(new ConnectionError('', 401)) && isFinal(new ProtocolError('')));
  const passing = [
    undefined,
    new Error(''),
    ...[408, 429, 500, 1001, 1006].map(code => new ConnectionError('', code)),
  ];
  assert.ok(!passing.some(isFinal));
});
