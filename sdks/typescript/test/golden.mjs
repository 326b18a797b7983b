// The golden files of the generator: what it makes for the project's modules, held by its tests.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../../tools/codegen/tests/golden', import.meta.url));
const SUFFIX = '.typescript.txt';

/** The modules that there are bindings of. */
export function modules() {
  const files = readdirSync(FOLDER).filter(name => name.endsWith(SUFFIX));
  if (files.length === 0) {
    throw new Error(`there are no generated bindings in ${FOLDER}`);
  }
  return files.map(name => name.slice(0, -SUFFIX.length));
}

/** The files of a module's bindings, by path, for a client package. */
export function bindings(name, packageName) {
  const text = readFileSync(join(FOLDER, name + SUFFIX), 'utf8');
  const files = new Map();
  // A file follows a line with its path.
  for (const part of text.split(/^==== /m).slice(1)) {
    const end = part.indexOf('\n');
    const code = part.slice(end + 1).replaceAll("from 'spacetimedb';", `from '${packageName}';`);
    files.set(part.slice(0, end), code);
  }
  return files;
}

/** Writes the files of a module's bindings into a folder. */
export function unpack(name, packageName, folder) {
  for (const [path, code] of bindings(name, packageName)) {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, code);
  }
}
