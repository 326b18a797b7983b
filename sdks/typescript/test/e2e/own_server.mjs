// A server for one test alone, which may be killed.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const { SPACETIME_BIN, SPACETIME_MODULES_DIR } = process.env;
const LISTENING = 'Starting spacetime listening on ';

/** Whether there can be none; says so. */
export function cannotStart() {
  if (!SPACETIME_BIN || !SPACETIME_MODULES_DIR) {
    console.error('SKIPPED: SPACETIME_BIN and SPACETIME_MODULES_DIR are not set');
    return true;
  }
  return false;
}

export class OwnServer {
  #child;
  #folder = mkdtempSync(join(tmpdir(), 'spacetime-own-'));
  #token;

  async start() {
    const child = spawn(
      SPACETIME_BIN,
      ['start', '--non-interactive', '--listen-addr', '127.0.0.1:0']
        .concat('--data-dir', join(this.#folder, 'data'))
        .concat('--jwt-key-dir', join(this.#folder, 'keys')),
      { stdio: ['ignore', 'pipe', 'ignore'] }
    );
    this.#child = child;
    this.url = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', code => reject(new Error(`the server ended with ${code}`)));
      createInterface(child.stdout).on('line', line => {
        if (line.startsWith(LISTENING)) {
          resolve(`http://${line.slice(LISTENING.length).trim()}`);
        }
      });
    });
    this.#token ??= (await (await this.#request('POST', 'v1/identity')).json()).token;
    return this;
  }

  /** Without a warning. Resolves when the process is gone. */
  async kill() {
    const ended = new Promise(resolve => this.#child.once('close', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }

  async remove() {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #request(method, path, body, type = 'application/octet-stream') {
    const headers = { 'content-type': type };
    if (this.#token !== undefined) {
      headers.authorization = `Bearer ${this.#token}`;
    }
    return await fetch(`${this.url}/${path}`, { method, headers, body });
  }

  async #answer(...request) {
    const response = await this.#request(...request);
    if (!response.ok) {
      throw new Error(`${response.status}: ${await response.text()}`);
    }
    return await response.text();
  }

  async publish(database, module) {
    const program = readFileSync(join(SPACETIME_MODULES_DIR, `${module}.wasm`));
    await this.#answer('PUT', `v1/database/${database}`, program);
  }

  /** Calls a reducer. */
  async call(database, reducer, args) {
    const path = `v1/database/${database}/call/${reducer}`;
    await this.#answer('POST', path, JSON.stringify(args), 'application/json');
  }

  /** The rows of a query, each a list of texts. */
  async sql(database, query) {
    const [{ rows }] = JSON.parse(await this.#answer('POST', `v1/database/${database}/sql`, query));
    return rows.map(row => row.map(String));
  }
}
