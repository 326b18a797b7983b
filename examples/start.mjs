// `node examples/start.mjs NAME`: starts a server, publishes the example's module, bundles its
// page and serves it, until Ctrl-C. Says how long each step took, up to the first live update that
// a subscriber gets. `--no-server` only serves the page.

import { execFileSync, spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const EXAMPLES = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(EXAMPLES);
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');

/**
 * The module of an example; a query; and a call that changes its result, if nothing does by itself.
 */
const APPLICATIONS = {
  'chat-react': {
    module: 'chat',
    query: 'SELECT * FROM message',
    call: ['send_message', 'Welcome!'],
  },
  game: { module: 'game', query: 'SELECT * FROM clock' },
};

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
};

function run(command, args, folder) {
  execFileSync(command, args, { cwd: folder, stdio: 'inherit' });
}

/** Installs packages and builds the client, unless that has been done. */
function prepare(folder) {
  const client = join(ROOT, 'sdks', 'typescript');
  const quiet = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  if (!existsSync(join(client, 'node_modules'))) {
    run('npm', quiet, client);
  }
  if (!existsSync(join(client, 'dist', 'index.js'))) {
    run('npm', ['run', '--silent', 'build'], client);
  }
  if (!existsSync(join(folder, 'node_modules'))) {
    run('npm', quiet, folder);
  }
}

/** Bundles an example's page into a folder. */
export function bundle(name, output) {
  const folder = join(EXAMPLES, name);
  prepare(folder);
  const entry = readdirSync(join(folder, 'src')).find(file => /^main\.tsx?$/.test(file));
  const flags = ['--bundle', '--format=esm', '--target=es2022', '--log-level=warning'];
  flags.push('--jsx=automatic', '--minify');
  const production = '--define:process.env.NODE_ENV="production"';
  const target = `--outfile=${join(output, 'main.js')}`;
  // The client is linked here; it is to take React from the example, not from where it is built.
  const shared = ['react', 'react-dom'].filter(it => existsSync(join(folder, 'node_modules', it)));
  const aliases = shared.map(it => `--alias:${it}=${join(folder, 'node_modules', it)}`);
  const esbuild = join(folder, 'node_modules', '.bin', 'esbuild');
  run(esbuild, [join(folder, 'src', entry), target, ...flags, ...aliases, production], folder);
}

/** Serves the page of an example; resolves to its address. */
export async function serve(name, output, port = 0) {
  const folder = join(EXAMPLES, name);
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const file = normalize(path === '/' ? '/index.html' : path);
    const found = [output, folder].map(root => join(root, file)).find(it => existsSync(it));
    if (found === undefined || !statSync(found).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'content-type': TYPES[extname(found)] ?? 'text/plain',
    });
    createReadStream(found).pipe(response);
  });
  await new Promise(resolve => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => server.close(),
  };
}

function findServerBinary() {
  const places = [process.env.SPACETIME, 'release/spacetime', 'debug/spacetime'];
  const found = places
    .filter(Boolean)
    .map(place => (place.startsWith('/') ? place : join(TARGET, place)))
    .find(path => existsSync(path));
  if (found !== undefined) {
    return found;
  }
  console.log('building the server; this is done once, and takes some minutes');
  const what = ['build', '--release', '--package', 'spacetime-cli', '--bin', 'spacetime'];
  run('cargo', what, ROOT);
  return join(TARGET, 'release', 'spacetime');
}

/** What `publish` is to publish: what the tests have built, or else this module alone is built. */
function moduleFlags(name) {
  const folder = process.env.SPACETIME_MODULES_DIR ?? join(TARGET, 'modules');
  const path = join(folder, `${name}.wasm`);
  return existsSync(path) ? ['--bin-path', path] : ['--module-path', join(ROOT, 'modules', name)];
}

function freePort() {
  return new Promise(resolve => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function startServer(data) {
  const binary = findServerBinary();
  const url = `http://127.0.0.1:${await freePort()}`;
  const place = ['--data-dir', join(data, 'data'), '--jwt-key-dir', join(data, 'keys')];
  const address = ['--listen-addr', new URL(url).host, '--non-interactive'];
  const child = spawn(binary, ['start', ...place, ...address], {
    stdio: 'ignore',
  });
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const answers = await fetch(`${url}/v1/ping`).then(
      response => response.ok,
      () => false
    );
    if (answers) {
      return { binary, child, url };
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  child.kill();
  throw new Error(`${binary} does not answer at ${url}`);
}

/** Waits until a subscriber is told of a change; makes one again and again if `call` says how. */
async function seeLiveUpdate(cli, name, { query, call }) {
  const subscriber = cli('subscribe', '-n', '1', '--timeout', '60', name, query);
  const ended = new Promise((resolve, reject) => {
    subscriber.on('error', reject);
    subscriber.on('exit', code =>
      code === 0 ? resolve() : reject(new Error(`no live update: the status was ${code}`))
    );
  });
  let isOver = false;
  const repeat = async () => {
    while (call !== undefined && !isOver) {
      const calling = cli('call', name, ...call);
      await new Promise(resolve => calling.on('exit', resolve));
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  };
  const repeating = repeat();
  await ended.finally(() => {
    isOver = true;
  });
  await repeating;
}

async function main() {
  const [name, ...flags] = process.argv.slice(2);
  const application = APPLICATIONS[name];
  if (application === undefined) {
    console.error(`usage: node examples/start.mjs ${Object.keys(APPLICATIONS).join('|')}`);
    process.exit(2);
  }
  const step = what => console.log(`[${(performance.now() / 1000).toFixed(1)} s] ${what}`);
  const data = mkdtempSync(join(tmpdir(), `spacetime-${name}-`));
  const output = join(data, 'page');
  bundle(name, output);
  step('the page is bundled');
  let uri = 'http://localhost:3000';
  let child;
  if (!flags.includes('--no-server')) {
    const server = await startServer(data);
    uri = server.url;
    child = server.child;
    // Also when something fails from here on.
    process.on('exit', () => child.kill());
    step('the server runs');
    const config = ['--config-path', join(data, 'cli.toml')];
    const rest = ['--server', uri, '--yes'];
    const program = moduleFlags(application.module);
    run(server.binary, [...config, 'publish', name, ...program, ...rest], ROOT);
    step('the module is published');
    const cli = (command, ...words) =>
      spawn(server.binary, [...config, command, ...rest, ...words], { cwd: data, stdio: 'ignore' });
    await seeLiveUpdate(cli, name, application);
    step('the first live update');
  }
  const page = await serve(name, output);
  console.log(`\nOpen ${page.url}/?uri=${encodeURIComponent(uri)}&db=${name}`);
  console.log('in as many windows as you like. Ctrl-C ends it.');
  const end = async () => {
    page.close();
    if (child !== undefined && child.exitCode === null) {
      const ended = new Promise(resolve => child.once('exit', resolve));
      child.kill();
      await ended;
    }
    rmSync(data, { recursive: true, force: true });
    process.exit(0);
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main();
}
