// Connections, and waiting for callbacks. Every wait has an end: a test that hangs says nothing.

import { WebSocket as NodeWebSocket } from 'undici';

import * as sdk from '#sdk';

/** Whether the tests run with this project's client; without, with the official one. */
export const IS_OWN_CLIENT = 'ConnectionLostError' in sdk;

export const V2 = 'v2.bsatn.spacetimedb';
export const V3 = 'v3.bsatn.spacetimedb';

/** Long: a machine that has other work to do is no error. */
const WAIT_MS_MAX = 60_000;

function required(name) {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set; run the tests with \`cargo xtask test-typescript\``);
  }
  return value;
}

export const SERVER_URL = required('SERVER_URL');
export const CHAT_DATABASE = required('CHAT_DATABASE');
export const KITCHEN_SINK_DATABASE = required('KITCHEN_SINK_DATABASE');
export const VIEWS_DATABASE = required('VIEWS_DATABASE');
export const PROCEDURES_DATABASE = required('PROCEDURES_DATABASE');

// The running test says which protocols are offered, and asks what the server chose. This client is
// given its sockets; the official one takes the global WebSocket, which Node has only since 22.
let offered = [V3, V2];
let lastSocket;

if (IS_OWN_CLIENT) {
  lastSocket = { protocol: '' };
} else {
  globalThis.WebSocket = class extends NodeWebSocket {
    constructor(url, protocols) {
      super(
        url,
        protocols.filter(protocol => offered.includes(protocol))
      );
      lastSocket = this;
      this.addEventListener('close', ({ code, reason }) => {
        this.closed = { code, reason };
      });
    }
  };
}

async function openOffered(args) {
  const wsProtocol = args.wsProtocol.filter(protocol => offered.includes(protocol));
  lastSocket = await sdk.openWebSocket({ ...args, wsProtocol });
  return lastSocket;
}

/** The server closed a connection that had not been made yet, as a module may ask it to. */
export class ClosedBeforeConnect extends Error {
  name = 'ClosedBeforeConnect';

  constructor({ code, reason } = {}) {
    super(reason);
    this.code = code;
  }
}

/** Fails if `promise` does not settle in time. */
export function inTime(promise, what) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} in ${WAIT_MS_MAX} ms`)), WAIT_MS_MAX);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/** The arguments of the next call of a callback for which `accept` is true. */
export function next(register, what, accept = () => true) {
  const called = new Promise(resolve => {
    register((...args) => {
      if (accept(...args)) {
        resolve(args);
      }
    });
  });
  return inTime(called, what);
}

/**
 * Connects, and resolves to the connection with the identity and token it was given, and the
 * protocol that the server chose. The official client reports an orderly close before that as the
 * end of the connection, not as an error; nothing else would settle the promise then.
 */
export async function connect(DbConnection, database, options = {}) {
  const { token, protocols = [V3, V2], compression = 'gzip', confirmedReads } = options;
  const { onDisconnect = () => {} } = options;
  offered = protocols;
  const connected = new Promise((resolve, reject) => {
    let builder = DbConnection.builder()
      .withUri(SERVER_URL)
      .withDatabaseName(database)
      .withToken(token)
      .withCompression(compression)
      .onConnect((connection, identity, givenToken) => {
        resolve({ connection, identity, token: givenToken, protocol: lastSocket.protocol });
      })
      .onConnectError((_, error) => {
        const { closed } = lastSocket ?? {};
        reject(closed?.reason ? new ClosedBeforeConnect(closed) : error);
      })
      .onDisconnect(() => {
        onDisconnect();
        reject(new ClosedBeforeConnect(lastSocket.closed));
      });
    if (IS_OWN_CLIENT) {
      builder = builder.withWSFn(openOffered);
    }
    if (confirmedReads !== undefined) {
      builder = builder.withConfirmedReads(confirmedReads);
    }
    builder.build();
  });
  return inTime(connected, 'connection');
}

/** Subscribes, and resolves to the handle when the first rows are there. */
export async function subscribe(connection, queries) {
  let handle;
  const applied = new Promise((resolve, reject) => {
    handle = connection
      .subscriptionBuilder()
      .onApplied(resolve)
      .onError((context, error) => reject(error ?? context.event))
      .subscribe(queries);
  });
  await inTime(applied, 'applied subscription');
  return handle;
}
