// A TCP proxy that cuts connections: at a byte that a test chooses, or now.

import net from 'node:net';

export class Proxy {
  #server;
  #target;
  #sockets = new Set();
  /** How many bytes the next connections let through, first come first. */
  plans = [];
  /** While true, new connections are cut off at once. */
  isDown = false;
  #isHeld = false;
  connections = 0;
  /** How many bytes have passed, each way. */
  passed = { down: 0, up: 0 };

  constructor(target) {
    this.#target = new URL(target);
    this.#server = net.createServer(client => this.#accept(client));
  }

  async listen() {
    await new Promise(resolve => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  #accept(client) {
    this.connections += 1;
    if (this.isDown) {
      client.on('error', () => {});
      client.destroy();
      return;
    }
    const { down = Infinity, up = Infinity } = this.plans.shift() ?? {};
    const server = net.connect(Number(this.#target.port), this.#target.hostname);
    const pair = { client, server, left: { down, up } };
    this.#sockets.add(pair);
    const end = () => {
      this.#sockets.delete(pair);
      client.destroy();
      server.destroy();
    };
    // What the server was sent before the cut has to reach it: its side is ended, not broken off.
    const cutUp = () => {
      server.end();
      client.destroy();
    };
    this.#pipe(client, server, pair.left, 'up', cutUp);
    this.#pipe(server, client, pair.left, 'down', end);
    if (this.#isHeld) {
      client.pause();
    }
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
    }
  }

  #pipe(from, to, left, way, cut) {
    if (left[way] === 0) {
      cut();
      return;
    }
    from.on('data', chunk => {
      const part = chunk.subarray(0, Math.min(chunk.length, Math.max(0, left[way])));
      left[way] -= chunk.length;
      this.passed[way] += part.length;
      if (0 < part.length && !to.destroyed) {
        to.write(part);
      }
      if (left[way] <= 0) {
        cut();
      }
    });
  }

  /** While true, nothing that clients send is read. */
  set isHeld(isHeld) {
    this.#isHeld = isHeld;
    for (const { client } of this.#sockets) {
      isHeld ? client.pause() : client.resume();
    }
  }

  /** Where new connections go from now on. */
  aim(target) {
    this.#target = new URL(target);
  }

  /** How many more bytes the connections that there are let through. */
  cutAll({ down = Infinity, up = Infinity }) {
    for (const pair of this.#sockets) {
      Object.assign(pair.left, { down, up });
    }
  }

  /** Cuts all connections that there are. */
  cut() {
    for (const { client, server } of this.#sockets) {
      client.destroy();
      server.destroy();
    }
    this.#sockets.clear();
  }

  async close() {
    this.cut();
    await new Promise(resolve => this.#server.close(resolve));
  }
}
