// What a test does with connections of a page, or of a worker: it calls the functions that are put
// on `globalThis`.

import { ConnectionLostError } from 'spacetime-client';

import { DbConnection, tables } from '../../bindings/chat.mjs';

const FAST = { delayMs: 5, maxDelayMs: 20 };
const HOUR_MS = 3_600_000;

const builder = (uri: string, database: string): any =>
  DbConnection.builder().withUri(uri).withDatabaseName(database);

/**
 * Connects, subscribes to what no other client touches, and calls; the connection is cut somewhere.
 * Whatever happens, in the end the table is what the server has. Says whether a call was lost.
 */
async function oneRun(uri: string, database: string, tag: string): Promise<boolean> {
  const connection: any = builder(uri, database).withReconnect(FAST).build();
  const mine = tables.message.where((row: any) => row.text.eq(tag));
  const { message } = connection.db;
  let told = 0;
  let deleted = 0;
  message.onInsert(() => (told += 1));
  message.onDelete(() => (deleted += 1));
  const applied = new Promise((resolve, reject) =>
    connection.subscriptionBuilder().onApplied(resolve).onError(reject).subscribe([mine])
  );
  let lost = false;
  await connection.reducers.sendMessage({ text: tag }).catch((error: unknown) => {
    if (!(error instanceof ConnectionLostError && error.wasSent)) {
      throw error;
    }
    lost = true;
  });
  await applied;
  // The cut may hit this as well; the next connection is not cut.
  const query = (): Promise<unknown[]> => connection.oneOffQuery(mine);
  const rows = await query().catch(query);
  if (rows.length !== 1 && !(lost && rows.length === 0)) {
    throw new Error(`${rows.length} rows, and the call was ${lost ? '' : 'not '}lost`);
  }
  while (Number(message.count()) !== rows.length) {
    await new Promise(resolve => setTimeout(resolve, 1));
  }
  if (told !== rows.length || deleted !== 0) {
    throw new Error(`${told} inserts and ${deleted} deletes were told of ${rows.length} rows`);
  }
  connection.disconnect();
  return lost;
}

const page = globalThis as any;

/** Runs with addresses and tags, one after the other. */
page.oneRun = oneRun;

/** A connection that would be made again in an hour. */
page.patient = (uri: string, database: string): void => {
  const policy = { delayMs: HOUR_MS, maxDelayMs: HOUR_MS };
  page.connection = builder(uri, database).withReconnect(policy).build();
};

/** Calls with a MiB each, and how many bytes the browser has had to keep at most. */
page.flood = async (count: number): Promise<void> => {
  const send = WebSocket.prototype.send;
  page.most = 0;
  WebSocket.prototype.send = function (message: any) {
    send.call(this, message);
    page.most = Math.max(page.most, this.bufferedAmount);
  };
  const text = ' '.repeat(1024 * 1024);
  // The reducer refuses a text that is empty.
  const calls = Array.from({ length: count }, () =>
    page.connection.reducers.sendMessage({ text }).catch(() => {})
  );
  await Promise.all(calls);
  page.isFlooded = true;
};
