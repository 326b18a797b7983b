// Compiles what the generator makes for the project's modules, with the import changed to this
// package, and runs it as far as it can be run without a server.

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const golden = process.env.GOLDEN ?? join(here, '../../../../tools/codegen/tests/golden');
const target = join(here, 'generated');

rmSync(target, { recursive: true, force: true });
if (!existsSync(golden)) {
  console.error(`SKIPPED: there are no generated bindings in ${golden}`);
  process.exit(0);
}
const modules = readdirSync(golden).filter(name => existsSync(join(golden, name, 'typescript')));
for (const name of modules) {
  const folder = join(target, name);
  mkdirSync(folder, { recursive: true });
  cpSync(join(golden, name, 'typescript'), folder, { recursive: true });
  for (const file of readdirSync(folder, { recursive: true })) {
    if (file.endsWith('.ts')) {
      const path = join(folder, file);
      const text = readFileSync(path, 'utf8');
      writeFileSync(path, text.replaceAll(/from (['"])spacetimedb\1/g, 'from "spacetime-client"'));
    }
  }
}
const options = {
  extends: '../../../tsconfig.json',
  compilerOptions: {
    rootDir: '.',
    outDir: 'out',
    declaration: false,
    incremental: false,
    tsBuildInfoFile: null,
    // As applications are compiled that are bundled.
    module: 'esnext',
    moduleResolution: 'bundler',
    verbatimModuleSyntax: true,
  },
  include: modules,
};
writeFileSync(join(target, 'tsconfig.json'), JSON.stringify(options, null, 2));
const bin = join(here, '../../node_modules/.bin');
execFileSync(join(bin, 'tsc'), ['-p', target], { stdio: 'inherit' });
for (const name of modules) {
  const bundle = join(target, 'out', `${name}.mjs`);
  const entry = join(target, name, 'index.ts');
  const flags = ['--bundle', '--format=esm', '--packages=external', '--log-level=warning'];
  execFileSync(join(bin, 'esbuild'), [entry, `--outfile=${bundle}`, ...flags], {
    stdio: 'inherit',
  });
  const { DbConnection, tables } = await import(bundle);
  const builder = DbConnection.builder().withUri('http://localhost:3000').withDatabaseName(name);
  if (builder.getModuleName() !== name) {
    throw new Error(`the bindings of ${name} do not make a builder`);
  }
  const queries = Object.values(tables).map(table => table.toSql());
  console.log(`${name}: ${queries.length} tables`);
}
