// Runs test files one after the other, each in a process of its own: `node run.mjs [FLAG]... DIR`.
// Node's own runner for several files reads what their processes print, and in version 20 it can
// mistake text that is not ASCII, such as the official client's, for messages of its own.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const FILE_MS_MAX = Number(process.env.TEST_FILE_MS_MAX ?? 270_000);

const flags = process.argv.slice(2, -1);
const folder = resolve(process.argv.at(-1));
const files = readdirSync(folder).filter(name => name.endsWith('.test.mjs'));
const failed = [];
for (const name of files.sort()) {
  const started = Date.now();
  const args = [...flags, '--test-reporter=spec', join(folder, name)];
  const options = { timeout: FILE_MS_MAX, killSignal: 'SIGKILL', encoding: 'utf8' };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const passed = Number(/^\S* ?pass (\d+)$/m.exec(stdout)?.[1] ?? 0);
  const skipped = Number(/^\S* ?skipped (\d+)$/m.exec(stdout)?.[1] ?? 0);
  const isGood = status === 0 && 0 < passed + skipped;
  const outcome = isGood ? 'ok' : status === null ? `no end in ${FILE_MS_MAX} ms` : 'FAILED';
  console.log(`${name.padEnd(28)} ${passed} passed, ${skipped} skipped, ${seconds} s  ${outcome}`);
  if (!isGood) {
    failed.push(name);
    console.log(`${stdout}\n${stderr}`);
  } else if (0 < skipped) {
    console.log(stderr.trim());
  }
}
if (files.length === 0 || 0 < failed.length) {
  console.error(files.length === 0 ? `no tests in ${folder}` : `failed: ${failed.join(', ')}`);
  process.exit(1);
}
