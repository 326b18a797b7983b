// Bindings that lie in the repository are what `spacetime generate` makes of the modules as they
// are now. With `UPDATE_BINDINGS=1` in the environment those of the examples are written anew.
// Those of the example in Rust are held by the generator's own tests.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { bindings, modules } from '../golden.mjs';

const { SPACETIME_BIN, SPACETIME_MODULES_DIR, UPDATE_BINDINGS } = process.env;
const skip = !SPACETIME_BIN || !SPACETIME_MODULES_DIR;
const EXAMPLES = fileURLToPath(new URL('../../../../examples', import.meta.url));

let scratch;
before(() => {
  if (skip) {
    console.error('SKIPPED: SPACETIME_BIN and SPACETIME_MODULES_DIR are not set');
  }
  scratch = mkdtempSync(join(tmpdir(), 'spacetime-generate-'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

function generate(module, sdk, folder) {
  const program = join(SPACETIME_MODULES_DIR, `${module}.wasm`);
  const what = ['--lang', 'typescript', '--sdk', sdk, '--bin-path', program];
  const flags = ['--out-dir', folder, '--no-config', '--yes'];
  execFileSync(SPACETIME_BIN, ['generate', ...what, ...flags], { stdio: 'pipe' });
}

/** The files in a folder and below, by path. */
function filesIn(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = files
    .filter(file => file.isFile())
    .map(file => join(file.parentPath ?? file.path, file.name).slice(folder.length + 1));
  return new Map(paths.sort().map(path => [path, readFileSync(join(folder, path), 'utf8')]));
}

/** The comment with the version of the tool says nothing about a module. */
const withoutVersion = files =>
  Object.fromEntries(
    [...files].sort().map(([path, code]) => [path, code.replace(/^\/\/ Made by .*\n/m, '')])
  );

function same(made, kept, hint) {
  const [left, right] = [withoutVersion(made), withoutVersion(kept)];
  assert.deepEqual(Object.keys(left), Object.keys(right), hint);
  for (const path of Object.keys(left)) {
    assert.ok(left[path] === right[path], `${path}: ${hint}`);
  }
}

for (const [example, module] of [
  ['chat-react', 'chat'],
  ['game', 'game'],
]) {
  test(`the bindings of examples/${example}`, { skip }, () => {
    const kept = join(EXAMPLES, example, 'src', 'module_bindings');
    const folder = UPDATE_BINDINGS ? kept : join(scratch, example);
    generate(module, 'own', folder);
    same(filesIn(folder), filesIn(kept), 'run this test with UPDATE_BINDINGS=1');
  });
}

// What these hold, no program has: they are definitions with the oddest names, and with every type.
const DEFINITIONS_ONLY = ['names', 'matrix', 'random'];
for (const module of modules().filter(name => !DEFINITIONS_ONLY.includes(name))) {
  test(`the bindings of ${module} that tests run with`, { skip }, () => {
    const folder = join(scratch, module);
    generate(module, 'official', folder);
    const hint = `definitions/${module}.hex in tools/codegen/tests is older; see its examples`;
    same(filesIn(folder), bindings(module, 'spacetimedb'), hint);
  });
}
