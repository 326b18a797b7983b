// Runs the scenarios, and the tests of lost connections, with this project's client in Bun and in
// Deno: those that the system has, or the npm packages of these names. What cannot be had is said.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const INSTALL_MS_MAX = 90_000;
const FILE_MS_MAX = 270_000;
/** Every n-th byte is enough here: Node's test takes them all. */
const CUT_STEP = '5';

const here = fileURLToPath(new URL('.', import.meta.url));
const scenarios = join(here, '..');
const client = join(here, '../../typescript');

const deno = ['test', '--allow-all', '--no-check', '--no-lock', '--node-modules-dir=manual'];
const RUNTIMES = {
  bun: file => ['--conditions=own', 'test', `--timeout=${FILE_MS_MAX}`, file],
  deno: file => [...deno, '--conditions=own', file],
};

const isUsable = program => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

function isInstalled() {
  const [wanted, have] = ['package.json', 'node_modules/.package-lock.json']
    .map(name => join(here, name))
    .map(path => (existsSync(path) ? statSync(path).mtimeMs : 0));
  return wanted <= have;
}

function install() {
  console.log('installing: Bun and Deno (npm install)');
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error'];
  const options = { cwd: here, stdio: ['ignore', 'inherit', 'inherit'], timeout: INSTALL_MS_MAX };
  try {
    execFileSync('npm', args, options);
  } catch (error) {
    console.error(error.message);
  }
}

/** The program, or nothing if it can be had in no way. */
function find(name) {
  if (isUsable(name)) {
    return name;
  }
  if (!isInstalled()) {
    install();
  }
  return [join(here, 'node_modules/.bin', name)].find(isUsable);
}

function filesOf(folder) {
  const names = readdirSync(folder).filter(name => name.endsWith('.test.mjs'));
  return names.sort().map(name => join(folder, name));
}

const files = [...filesOf(join(scenarios, 'test')), join(client, 'test/e2e/reconnect.test.mjs')];
const failed = [];
for (const [name, args] of Object.entries(RUNTIMES)) {
  const program = find(name);
  if (program === undefined) {
    console.error(`SKIPPED: there is no ${name} here, and its npm package cannot be installed`);
    continue;
  }
  const version = execFileSync(program, ['--version'], { encoding: 'utf8' }).split('\n')[0];
  console.log(`${name}: ${version}`);
  for (const file of files) {
    // The conditions of a package are those of the folder that it is used in.
    const cwd = file.startsWith(client) ? client : scenarios;
    const env = { ...process.env, CUT_STEP, NO_COLOR: '1' };
    const options = { cwd, env, timeout: FILE_MS_MAX, killSignal: 'SIGKILL', encoding: 'utf8' };
    const { status, stdout, stderr } = spawnSync(program, args(file), options);
    const passed = /(\d+) pass/.exec(stdout + stderr)?.[1] ?? '0';
    const isGood = status === 0 && passed !== '0';
    const title = basename(file).padEnd(28);
    console.log(`${title} ${passed} passed  ${isGood ? 'ok' : 'FAILED'}`);
    if (!isGood) {
      failed.push(`${name} ${file}`);
      console.log(`${stdout}\n${stderr}`);
    }
  }
}
if (0 < failed.length) {
  console.error(`failed: ${failed.join(', ')}`);
  process.exit(1);
}
