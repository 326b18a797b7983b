// Makes the bindings that tests run with: what the generator makes for the modules, each module in
// one file, importing the client package by a name: `node bindings.mjs PACKAGE FOLDER`.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { build } from 'esbuild';

import { modules, unpack } from './golden.mjs';

const [packageName, folder] = process.argv.slice(2);
const source = mkdtempSync(join(tmpdir(), 'spacetime-bindings-'));
try {
  const names = modules();
  for (const name of names) {
    unpack(name, packageName, join(source, name));
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: names.map(name => ({ in: join(source, name, 'index.ts'), out: name })),
    absWorkingDir: source,
    outdir: resolve(folder),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    external: [packageName],
    logLevel: 'warning',
  });
} finally {
  rmSync(source, { recursive: true, force: true });
}
