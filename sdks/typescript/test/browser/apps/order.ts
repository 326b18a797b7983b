// Many messages that come large and small, packed and not: they are to come in order.

import { DbConnection } from '../../bindings/chat.mjs';

const address = new URLSearchParams(location.search);
const tag = address.get('tag') ?? '';
const LENGTHS = [10, 5000, 20, 30_000, 30];

async function run(): Promise<string> {
  const connection: any = DbConnection.builder()
    .withUri(address.get('uri') ?? '')
    .withDatabaseName(address.get('db') ?? '')
    .withCompression('gzip')
    .build();
  await new Promise(resolve =>
    connection.subscriptionBuilder().onApplied(resolve).subscribe('SELECT * FROM message')
  );
  const seen: number[] = [];
  connection.db.message.onInsert((_: unknown, { text }: { text: string }) => {
    if (text.startsWith(tag)) {
      seen.push(Number(text.split(' ')[1]));
    }
  });
  const settled: number[] = [];
  const calls = Array.from({ length: 60 }, async (_, n) => {
    const text = `${tag} ${n} ${'x'.repeat(LENGTHS[n % LENGTHS.length]!)}`;
    await connection.reducers.sendMessage({ text });
    settled.push(n);
  });
  await Promise.all(calls);
  const inOrder = (list: number[]): boolean => list.every((n, at) => n === at);
  return `${seen.length} ${inOrder(seen)} ${settled.length} ${inOrder(settled)}`;
}

run().then(
  outcome => (document.getElementById('order')!.textContent = outcome),
  error => (document.getElementById('order')!.textContent = String(error))
);
