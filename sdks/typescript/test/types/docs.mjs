// Compiles the TypeScript of the documentation.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const package_ = join(here, '../..');
const target = join(here, 'generated_docs');
const DOCUMENTS = ['typescript', 'tutorial-chat', 'tutorial-game']
  .map(name => join(package_, '../../docs', `${name}.md`))
  .concat(join(package_, 'README.md'));

/** What a piece of code uses that another piece, or the reader, has already. */
const PRELUDE = {
  DbConnection: "import { DbConnection } from './module_bindings';",
  tables: "import { tables } from './module_bindings';",
  reducers: "import { reducers } from './module_bindings';",
  Range: "import { Range } from 'spacetime-client';",
  SenderError: "import { SenderError } from 'spacetime-client';",
  SpacetimeDBProvider: "import { SpacetimeDBProvider } from 'spacetime-client/react';",
  useSpacetimeDB: "import { useSpacetimeDB } from 'spacetime-client/react';",
  useTable: "import { useTable } from 'spacetime-client/react';",
  useReducer: "import { useReducer } from 'spacetime-client/react';",
  createRoot: "import { createRoot } from 'react-dom/client';",
  root: 'declare const root: HTMLElement;',
  identity: "declare const identity: import('spacetime-client').Identity;",
  connection: "declare const connection: import('./module_bindings').DbConnection;",
};

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
copyFileSync(join(here, 'docs_bindings.ts'), join(target, 'module_bindings.ts'));
let count = 0;
for (const document of DOCUMENTS) {
  for (const [, code] of readFileSync(document, 'utf8').matchAll(/^```tsx?\n(.*?)^```$/gms)) {
    const isOwn = name =>
      new RegExp(`(const|function|import \\{[^}]*) ?\\{?[^=]*\\b${name}\\b`).test(code);
    const prelude = Object.entries(PRELUDE)
      .filter(([name]) => new RegExp(`\\b${name}\\b`).test(code) && !isOwn(name))
      .map(([, line]) => line);
    count += 1;
    writeFileSync(
      join(target, `code_${count}.tsx`),
      `${prelude.join('\n')}\n${code}\nexport {};\n`
    );
  }
}
const options = {
  extends: '../../../tsconfig.json',
  compilerOptions: {
    rootDir: '.',
    noEmit: true,
    incremental: false,
    tsBuildInfoFile: null,
    declaration: false,
    noUnusedLocals: false,
    module: 'esnext',
    moduleResolution: 'bundler',
  },
  include: ['.'],
};
writeFileSync(join(target, 'tsconfig.json'), JSON.stringify(options, null, 2));
execFileSync(join(package_, 'node_modules/.bin/tsc'), ['-p', target], { stdio: 'inherit' });
console.log(`${count} pieces of code in the documentation compile`);
