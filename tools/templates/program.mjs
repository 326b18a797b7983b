// A program that runs beside the test: what it says, what is typed to it, and its end.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Builds are slow on busy machines; nobody waits that long for anything else. */
const WAIT_MS_MAX = Number(process.env.WAIT_MS ?? 600_000);
const END_MS_MAX = 30_000;

export async function freePort() {
  const server = createServer();
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise(resolve => server.close(resolve));
  return port;
}

export class Program {
  text = '';
  #child;
  #ended;
  #listeners = new Set();

  constructor(command, args, { cwd, env }) {
    this.#child = spawn(command, args, { cwd, env, detached: true });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', text => {
        this.text += text;
        this.#tell();
      });
    }
    // Whoever types to a program that has ended sees that from what it does not say.
    this.#child.stdin.on('error', () => {});
    this.#ended = new Promise(resolve => {
      this.#child.on('error', error => {
        this.text += String(error);
        resolve(-1);
      });
      this.#child.on('exit', status => resolve(status));
    }).then(status => {
      this.status = status;
      this.#tell();
    });
  }

  #tell() {
    for (const listener of [...this.#listeners]) {
      listener();
    }
  }

  type(line) {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Waits until something was said (`count` times in all), or until a function of it is true. */
  async waitFor(what, count = 1) {
    const isThere = typeof what === 'function' ? what : text => count < text.split(what).length;
    await new Promise((resolve, reject) => {
      const end = error => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        error === undefined ? resolve() : reject(error);
      };
      const look = () => {
        if (isThere(this.text)) {
          end();
        } else if (this.status !== undefined) {
          end(new Error(`it ended (${this.status}) without: ${what}`));
        }
      };
      const timer = setTimeout(() => end(new Error(`not said in time: ${what}`)), WAIT_MS_MAX);
      this.#listeners.add(look);
      look();
    });
  }

  /** Waits until something answers at an address. */
  async answers(url) {
    while (this.status === undefined) {
      const isThere = await fetch(url).then(
        response => response.ok,
        () => false
      );
      if (isThere) {
        return;
      }
      await sleep(50);
    }
    throw new Error(`it ended (${this.status}):\n${this.text}`);
  }

  /** Asks it to end, which it does well. */
  async stop() {
    process.kill(this.#child.pid, 'SIGTERM');
    const late = sleep(END_MS_MAX, 'late', { ref: false });
    if ((await Promise.race([this.#ended, late])) === 'late') {
      throw new Error('it does not end');
    }
    if (this.status !== 0) {
      throw new Error(`it ended with ${this.status}`);
    }
  }

  kill() {
    if (this.status === undefined) {
      process.kill(-this.#child.pid, 'SIGTERM');
    }
  }
}
