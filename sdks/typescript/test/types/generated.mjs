// Compiles what the generator makes for the project's modules, for this package and for the
// official one, as strictly as applications may, with pages that use it; and runs it as far as it
// runs without a server.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { modules, unpack } from '../golden.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const bin = join(here, '../../node_modules/.bin');
const target = join(here, 'generated');

/** With bundlers, which most applications use; nothing that the compiler can find may be in it. */
const COMPILER_OPTIONS = {
  target: 'es2022',
  lib: ['es2023', 'dom'],
  module: 'esnext',
  moduleResolution: 'bundler',
  types: ['node'],
  jsx: 'react-jsx',
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  isolatedModules: true,
  verbatimModuleSyntax: true,
  forceConsistentCasingInFileNames: true,
  noFallthroughCasesInSwitch: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noUncheckedIndexedAccess: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
};

/** Pages that were written for one of the packages; with the other, only the import changes. */
const PAGES = {
  'template.tsx': 'templates/chat-react-ts/src/App.tsx',
  'example.tsx': 'examples/chat-react/src/app.tsx',
};

function copyPages(packageName, folder) {
  for (const [name, path] of Object.entries(PAGES)) {
    const code = readFileSync(join(here, '../../../..', path), 'utf8')
      .replaceAll(/'(?:spacetimedb|spacetime-client)(\/react)?'/g, `'${packageName}$1'`)
      .replaceAll("'./module_bindings", "'./chat");
    writeFileSync(join(folder, name), code);
  }
}

/** Tables of submodules are one level down. */
const leaves = place =>
  Object.values(place).flatMap(it => (typeof it.toSql === 'function' ? [it] : leaves(it)));

async function check(packageName) {
  const folder = join(target, packageName);
  for (const name of modules()) {
    unpack(name, packageName, join(folder, name));
  }
  copyPages(packageName, folder);
  const config = { compilerOptions: COMPILER_OPTIONS, include: ['.'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config, null, 2));
  execFileSync(join(bin, 'tsc'), ['-p', folder], { stdio: 'inherit' });

  const out = join(folder, 'out');
  mkdirSync(out);
  for (const name of modules()) {
    const bundle = join(out, `${name}.mjs`);
    const flags = ['--bundle', '--format=esm', '--packages=external', '--log-level=warning'];
    const entry = join(folder, name, 'index.ts');
    execFileSync(join(bin, 'esbuild'), [entry, `--outfile=${bundle}`, ...flags], {
      stdio: 'inherit',
    });
    const { DbConnection, tables } = await import(bundle);
    const builder = DbConnection.builder().withUri('http://localhost:3000').withDatabaseName(name);
    if (builder.getModuleName() !== name) {
      throw new Error(`the bindings of ${name} do not make a builder`);
    }
    const queries = leaves(tables).map(table => table.toSql());
    if (!queries.every(sql => sql.startsWith('SELECT * FROM "'))) {
      throw new Error(`the queries of ${name} are not SQL: ${queries}`);
    }
    console.log(`${name} for ${packageName}: ${queries.length} tables`);
  }
}

rmSync(target, { recursive: true, force: true });
await check('spacetime-client');
await check('spacetimedb');
