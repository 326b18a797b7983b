// Compiles what the generator makes for the project's modules, with the import changed to this
// package, and runs it as far as it can be run without a server.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
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
// A file holds all files for a module, each after a line with its path.
const SUFFIX = '.typescript.txt';
const modules = readdirSync(golden)
  .filter(name => name.endsWith(SUFFIX))
  .map(name => name.slice(0, -SUFFIX.length));
if (modules.length === 0) {
  throw new Error(`there are no generated bindings in ${golden}`);
}
for (const name of modules) {
  const text = readFileSync(join(golden, name + SUFFIX), 'utf8');
  for (const part of text.split(/^==== /m).slice(1)) {
    const end = part.indexOf('\n');
    const path = join(target, name, part.slice(0, end));
    mkdirSync(dirname(path), { recursive: true });
    const own = part
      .slice(end + 1)
      .replaceAll(/from (['"])spacetimedb\1/g, "from 'spacetime-client'");
    writeFileSync(path, own);
  }
}
const options = {
  extends: '../../../tsconfig.json',
  compilerOptions: {
    rootDir: '.',
    outDir: 'out',
    declaration: false,
    incremental: false,
    noUnusedLocals: false,
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
// Of some modules only a part is kept.
const whole = modules.filter(name => existsSync(join(target, name, 'index.ts')));
for (const name of whole) {
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
  // Tables of submodules are one level down.
  const leaves = place =>
    Object.values(place).flatMap(it => (typeof it.toSql === 'function' ? [it] : leaves(it)));
  const queries = leaves(tables).map(table => table.toSql());
  if (!queries.every(sql => sql.startsWith('SELECT * FROM "'))) {
    throw new Error(`the queries of ${name} are not SQL: ${queries}`);
  }
  console.log(`${name}: ${queries.length} tables`);
}
