// What applications write, and what must not compile. Compiled, never run.

import { Range, SenderError, type Infer } from 'spacetime-client';
import {
  SpacetimeDBProvider,
  useProcedure,
  useReducer,
  useSpacetimeDB,
  useTable,
} from 'spacetime-client/react';
import * as vue from 'spacetime-client/vue';
import * as svelte from 'spacetime-client/svelte';
import * as solid from 'spacetime-client/solid';

import {
  type Color,
  DbConnection,
  type ErrorContext,
  type EventContext,
  PlayerRow,
  type SubscriptionHandle,
  type Tree,
  procedures,
  reducers,
  tables,
} from './bindings.js';

type Same<A, B> =
  (<G>() => G extends A ? 1 : 2) extends <G>() => G extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

type Player = Infer<typeof PlayerRow>;

const red: Color = { tag: 'Red' };
const tree: Tree = { name: 'a', color: { tag: 'Rgb', value: [1] } };
// @ts-expect-error a color of another name
const blue: Color = { tag: 'Blue' };
void [red, tree, blue];

const builder = DbConnection.builder()
  .withUri('http://localhost:3000')
  .withDatabaseName('game')
  .withToken(undefined)
  .withCompression('gzip')
  .withConfirmedReads(true)
  .withReconnect()
  .onConnect((conn, identity, token) => {
    same<typeof conn, DbConnection>(true);
    void [identity.toHexString(), token.length];
  })
  .onConnectError((ctx: ErrorContext, error) => void [ctx.isActive, error.message])
  .onDisconnect((ctx, error) => void [ctx.event, error?.message]);

const connection = builder.build();
const player = connection.db.player;
const found = player.id.find(1n);
same<typeof found, Player | null>(true);
// A row has all of its columns; a row of a named type is the same.
same<Pick<Player, 'nick'>, { nick: string | undefined }>(true);
same<Pick<NonNullable<typeof found>, 'nick'>, { nick: string | undefined }>(true);
// Unique by its constraint alone.
player.owner.find(connection.identity!);
for (const row of player.byLevel.filter([3, new Range({ tag: 'included', value: 'a' })])) {
  void row.displayName;
}
player.byLevel.filter([3]);
player.byLevel.filter(3);
player.byLevel.filter(new Range<number>());
// @ts-expect-error a key of another type
player.id.find('1');
// @ts-expect-error there are several rows with one level
player.byLevel.find([3, 'a']);
player.onInsert((ctx: EventContext, row) => {
  if (ctx.event.tag === 'Reducer') {
    void ctx.event.value.reducer.name;
  }
  void [row.id, ctx.db.player.count()];
});
player.onUpdate((_, old, row) => void [old.level, row.level]);
connection.db.noKey.onDelete((_, row) => void row.text);
// @ts-expect-error without a primary key nothing is updated
connection.db.noKey.onUpdate(() => {});
// @ts-expect-error events are not deleted
connection.db.happened.onDelete(() => {});
// @ts-expect-error no such table
connection.db.monster;

const handle: SubscriptionHandle = connection
  .subscriptionBuilder()
  .onApplied(ctx => void ctx.db.player.count())
  .onError((ctx, error) => void [ctx.event, error])
  .subscribe([
    tables.player.where(row => row.level.gt(3).and(row.displayName.eq('x'))),
    tables.noKey,
    'SELECT * FROM player',
  ]);
handle.unsubscribeThen(() => {});
connection.subscriptionBuilder().subscribe(q => q.player.where(row => row.id.eq(1n)));
connection.subscriptionBuilder().subscribeToAllTables();
tables.player.leftSemijoin(tables.player, (left, right) => left.id.eq(right.id));
// @ts-expect-error a number where text is
tables.player.where(row => row.displayName.eq(1));
// @ts-expect-error no such column
tables.player.where(row => row.nothing.eq(1));
// @ts-expect-error no index begins with this column
tables.player.leftSemijoin(tables.player, (left, right) => left.nick.eq(right.nick));

connection.reducers.addPlayer({ displayName: 'x', level: 1 }).catch((error: SenderError) => error);
connection.reducers.reset();
connection.reducers.reset({});
// @ts-expect-error an argument is missing
connection.reducers.addPlayer({ displayName: 'x' });
// @ts-expect-error no such reducer
connection.reducers.nothing();
const level: Promise<number | undefined> = connection.procedures.levelOf({ id: 1n });
void level;

export function App(): React.JSX.Element {
  const { isActive, identity, getConnection } = useSpacetimeDB();
  const [players, isReady] = useTable(
    tables.player.where(row => row.level.gte(1)),
    {
      onInsert: row => void row.displayName,
      onUpdate: (old, row) => void [old.level, row.level],
    }
  );
  same<(typeof players)[number]['level'], number>(true);
  const add = useReducer(reducers.addPlayer);
  const reset = useReducer(reducers.reset);
  const levelOf = useProcedure(procedures.levelOf);
  void [identity, getConnection<DbConnection>()?.db.player, reset(), levelOf({ id: 1n })];
  return (
    <SpacetimeDBProvider connectionBuilder={builder}>
      <button disabled={!isActive || !isReady} onClick={() => add({ displayName: 'x', level: 1 })}>
        {players.map(row => row.displayName)}
      </button>
    </SpacetimeDBProvider>
  );
}

export function others(): void {
  const [vueRows] = vue.useTable(tables.player);
  void vueRows.value[0]?.displayName;
  const [svelteRows] = svelte.useTable(tables.player);
  svelteRows.subscribe(rows => void rows[0]?.displayName);
  const [solidRows] = solid.useTable(() => tables.player);
  void solidRows[0]?.displayName;
  void vue.useReducer(reducers.addPlayer)({ displayName: 'x', level: 1 });
}
