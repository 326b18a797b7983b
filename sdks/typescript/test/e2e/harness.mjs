// Connections to the server that the tests are given, and waiting. Every wait has an end.

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

export function inTime(promise, what) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} in ${WAIT_MS_MAX} ms`)), WAIT_MS_MAX);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}

/** Waits until `is` is true; it is asked again and again. */
export async function until(is, what) {
  const end = Date.now() + WAIT_MS_MAX;
  while (!is()) {
    if (end < Date.now()) {
      throw new Error(`${what} did not come true in ${WAIT_MS_MAX} ms`);
    }
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

/** Connects; `adjust` gets the builder. */
export function connect(DbConnection, database, { url = SERVER_URL, token, adjust } = {}) {
  const connected = new Promise((resolve, reject) => {
    const builder = DbConnection.builder()
      .withUri(url)
      .withDatabaseName(database)
      .withToken(token)
      .onConnect((connection, identity, givenToken) =>
        resolve({ connection, identity, token: givenToken })
      )
      .onConnectError((_, error) => {
        if (!builder.reconnects) {
          reject(error);
        }
      });
    adjust?.(builder);
    builder.build();
  });
  return inTime(connected, 'connection');
}

/** Subscribes, and resolves to the handle when the rows are there. */
export async function subscribe(connection, queries) {
  let handle;
  const applied = new Promise((resolve, reject) => {
    handle = connection
      .subscriptionBuilder()
      .onApplied(resolve)
      .onError((_, error) => reject(error))
      .subscribe(queries);
  });
  await inTime(applied, 'applied subscription');
  return handle;
}
