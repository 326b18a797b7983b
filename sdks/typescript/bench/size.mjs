// How many bytes a browser loads: an application with the chat module's bindings, bundled and
// minified by esbuild, with this client and with the official one. `npm run size`.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const bindings = join(here, '../test/bindings/chat.mjs');
const PACKAGES = { 'this client': 'spacetime-client', official: 'spacetimedb' };

const APPLICATIONS = {
  'connection and tables': `
    import { DbConnection, tables } from './chat.mjs';
    const connection = DbConnection.builder().withUri('http://x').withDatabaseName('chat').build();
    connection.subscriptionBuilder().subscribe([tables.user.where(row => row.online)]);
    connection.db.user.onInsert((_, row) => console.log(row.name));
    connection.reducers.setName({ name: 'x' });`,
  'with React hooks': `
    import { DbConnection, tables, reducers } from './chat.mjs';
    import { SpacetimeDBProvider, useTable, useReducer } from 'PACKAGE/react';
    console.log(DbConnection, tables, reducers, SpacetimeDBProvider, useTable, useReducer);`,
};

async function sizeOf(application, packageName) {
  const renamed = {
    name: 'rename',
    setup(it) {
      it.onLoad({ filter: /chat\.mjs$/ }, () => ({
        contents: readFileSync(bindings, 'utf8').replaceAll(
          '"spacetime-client"',
          `"${packageName}"`
        ),
        resolveDir: here,
      }));
    },
  };
  const { outputFiles } = await build({
    stdin: {
      contents: application.replace('PACKAGE', packageName),
      resolveDir: dirname(bindings),
    },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    external: ['react'],
    define: { 'process.env.NODE_ENV': '"production"' },
    plugins: [renamed],
    write: false,
    logLevel: 'error',
  });
  const bytes = outputFiles[0].contents;
  return [bytes, gzipSync(bytes, { level: 9 }), brotliCompressSync(bytes)].map(it => it.length);
}

console.log(`${''.padEnd(38)} minified      gzip    brotli`);
for (const [title, application] of Object.entries(APPLICATIONS)) {
  for (const [who, packageName] of Object.entries(PACKAGES)) {
    const sizes = await sizeOf(application, packageName);
    const columns = sizes.map(size => String(size).padStart(9));
    console.log(`${title.padEnd(24)} ${who.padEnd(12)} ${columns.join(' ')}`);
  }
}
