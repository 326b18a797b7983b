// A headless Chromium for tests, the one that the system has; without, the tests are skipped.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const PLACES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'];

/** Where screenshots are put. */
export const SCREENSHOTS = process.env.SCREENSHOTS ?? join(tmpdir(), 'spacetime-screenshots');

const find = () => PLACES.filter(Boolean).find(place => existsSync(place));

function install() {
  if (process.getuid?.() !== 0) {
    return;
  }
  const what = ['install', '--yes', '--no-install-recommends', 'chromium'];
  try {
    execFileSync('apt-get', what, { stdio: 'ignore' });
  } catch {
    // Said by who asks for the path.
  }
}

/** The path of Chromium, or undefined after a loud line. */
export function findChromium() {
  if (find() === undefined) {
    install();
  }
  const path = find();
  if (path === undefined) {
    console.error('SKIPPED: there is no Chromium here (Debian: apt-get install chromium)');
  }
  return path;
}

export async function launch() {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const args = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
  return await chromium.launch({ executablePath: findChromium(), args });
}

/** A site for pages: `answer` gives the type and the text of what a path stands for. */
export async function serve(answer) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const [type, body] = answer(pathname);
    response.writeHead(200, { 'content-type': type }).end(body);
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return { address: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
