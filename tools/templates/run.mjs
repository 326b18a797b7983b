// Goes through templates as somebody new would: `spacetime init`, types, `spacetime dev`, the page
// or the terminal, a change of the module, the end.
//
//   node tools/templates/run.mjs [--sdk official|own] [--types] [TEMPLATE..]
//
// --sdk     with the published packages (default), or with those of this repository
// --types   only makes the projects and checks their types
// SPACETIME_BIN   the `spacetime` to try
// TEMPLATES_DIR   where to work; what is installed and compiled there is used again
// SCREENSHOTS     where pictures of the pages are put

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { findChromium, launch, SCREENSHOTS } from '../../sdks/typescript/test/browser/browser.mjs';
import { Program, freePort } from './program.mjs';
import { CHECKS } from './checks.mjs';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const TEMPLATES = join(REPOSITORY, 'templates');
const RUNTIMES = join(REPOSITORY, 'sdks/typescript-tests/runtimes/node_modules/.bin');

const CLIENTS = 'SELECT * FROM st_client';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { sdk: { type: 'string', default: 'official' }, types: { type: 'boolean' } },
});
const work = process.env.TEMPLATES_DIR ?? join(tmpdir(), 'spacetime-templates');
const folder = join(work, values.sdk);
const spacetimeBin = process.env.SPACETIME_BIN ?? join(REPOSITORY, 'target/release/spacetime');
const env = {
  ...process.env,
  // The toolchain and the settings of npm are no part of the home directory that is empty.
  CARGO_HOME: process.env.CARGO_HOME ?? join(homedir(), '.cargo'),
  RUSTUP_HOME: process.env.RUSTUP_HOME ?? join(homedir(), '.rustup'),
  NPM_CONFIG_USERCONFIG: join(homedir(), '.npmrc'),
  NPM_CONFIG_CACHE: process.env.NPM_CONFIG_CACHE ?? join(homedir(), '.npm'),
  CARGO_TARGET_DIR: join(folder, 'target'),
  HOME: join(work, 'home'),
  PATH: `${process.env.PATH}:${RUNTIMES}`,
  NEXT_TELEMETRY_DISABLED: '1',
  NO_COLOR: '1',
};
for (const name of [
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'SPACETIMEDB_HOST',
  'SPACETIMEDB_DB_NAME',
]) {
  delete env[name];
}

const metadata = id => JSON.parse(readFileSync(join(TEMPLATES, id, '.template.json'), 'utf8'));
const all = readdirSync(TEMPLATES).filter(id => existsSync(join(TEMPLATES, id, '.template.json')));
const ids = 0 < positionals.length ? positionals : all;

/** Runs to the end, and shows what it said only if that was no good one. */
function run(cwd, command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
  });
  if (status !== 0) {
    const failed = `${command} ${args.join(' ')}: ${error?.message ?? `status ${status}`}`;
    throw new Error(`${failed}\n${stdout}${stderr}`);
  }
  return stdout;
}
const spacetime = (cwd, ...args) => run(cwd, spacetimeBin, ...args);

/** What all projects need is installed once, above them. */
function installAll() {
  const dependencies = {};
  for (const id of all.filter(id => metadata(id).client_lang === 'typescript')) {
    const manifest = JSON.parse(readFileSync(join(TEMPLATES, id, 'package.json'), 'utf8'));
    Object.assign(dependencies, manifest.dependencies, manifest.devDependencies);
  }
  let npmrc = 'package-lock=false\n';
  if (values.sdk === 'own') {
    dependencies.spacetimedb = `file:${join(REPOSITORY, 'sdks/typescript')}`;
    npmrc += 'install-links=true\n';
  }
  const manifest = JSON.stringify({ private: true, dependencies }, null, 2);
  const path = join(folder, 'package.json');
  const isDone = existsSync(join(folder, 'node_modules')) && existsSync(path);
  if (isDone && values.sdk !== 'own' && readFileSync(path, 'utf8') === manifest) {
    return;
  }
  console.log('installing the packages of all templates');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, manifest);
  writeFileSync(join(folder, '.npmrc'), npmrc);
  rmSync(join(folder, 'node_modules/spacetimedb'), { recursive: true, force: true });
  run(folder, 'npm', 'install', '--no-audit', '--no-fund', '--loglevel=error');
}

function make(id) {
  const project = join(folder, id);
  rmSync(project, { recursive: true, force: true });
  const sdk = values.sdk === 'own' ? ['--sdk-path', REPOSITORY] : [];
  const flags = ['--template', id, '--project-path', project, '--local', '--non-interactive'];
  spacetime(folder, 'init', `my ${id}`, ...flags, ...sdk);
  if (id === 'nextjs-ts') {
    // Next.js looks for packages nowhere else.
    run(project, 'npm', 'install', '--prefer-offline', '--loglevel=error');
  }
  return project;
}

function checkTypes(id, project) {
  if (metadata(id).client_lang !== 'typescript') {
    return;
  }
  if (id === 'deno-ts') {
    run(project, 'deno', 'task', 'check');
  } else {
    run(project, 'npm', 'run', '--silent', 'check');
  }
}

const databaseOf = project =>
  JSON.parse(readFileSync(join(project, 'spacetime.local.json'), 'utf8')).database;

/** `spacetime dev`, with somebody who looks at it and types. */
async function workOn(id, project, url, browser) {
  const check = CHECKS[id] ?? CHECKS[metadata(id).client_lang];
  const database = databaseOf(project);
  const dev = new Program(spacetimeBin, ['dev', '--yes', '--server', url], { cwd: project, env });
  const size = { width: 800, height: 500 };
  const pages = await browser?.newContext({ viewport: size });
  try {
    await dev.waitFor('Published successfully!');
    await dev.waitFor('Starting the client');
    if (dev.text.includes('Writing file')) {
      throw new Error('the bindings of the template are not those of its module');
    }
    const call = (...args) => spacetime(project, 'call', '--server', url, database, ...args);
    const clients = () => {
      const query = ['--server', url, '--format', 'json', database, CLIENTS];
      return JSON.parse(spacetime(project, 'sql', ...query))[0].rows.length;
    };
    const picture = join(SCREENSHOTS, `template-${id}-${values.sdk}.png`);
    await check({ id, project, dev, pages, call, clients, picture });
    await dev.stop();
  } catch (error) {
    throw new Error(`${error.stack}\n--- what dev said\n${dev.text}`);
  } finally {
    await pages?.close();
    dev.kill();
  }
}

mkdirSync(env.HOME, { recursive: true });
installAll();
const failed = [];
let server;
let browser;
try {
  const url = `http://127.0.0.1:${await freePort()}`;
  if (!values.types) {
    const at = ['--listen-addr', url.slice('http://'.length), '--non-interactive', '--in-memory'];
    const data = ['--data-dir', join(work, 'data'), '--jwt-key-dir', join(work, 'keys')];
    server = new Program(spacetimeBin, ['start', ...at, ...data], { cwd: work, env });
    await server.answers(`${url}/v1/ping`);
    browser = findChromium() === undefined ? undefined : await launch();
  }
  for (const id of ids) {
    const start = Date.now();
    const seconds = () => `${((Date.now() - start) / 1000).toFixed(1)} s`;
    try {
      const project = make(id);
      checkTypes(id, project);
      const types = seconds();
      if (!values.types) {
        await workOn(id, project, url, browser);
      }
      console.log(`${id.padEnd(16)} ok  types ${types}, all ${seconds()}`);
    } catch (error) {
      failed.push(id);
      console.log(`${id.padEnd(16)} FAILED after ${seconds()}\n${error.message}`);
    }
  }
} finally {
  await browser?.close();
  server?.kill();
}
console.log(`${ids.length - failed.length} passed, ${failed.length} failed`);
process.exit(failed.length === 0 ? 0 : 1);
