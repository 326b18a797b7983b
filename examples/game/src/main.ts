// A game in real time. The server moves everything; this page draws it, and says where the player
// wants to go. Where the server is comes with the address: `?uri=http://localhost:3000&db=game`.

import { type DrawnBody, FIELD, draw } from './draw';
import { DbConnection, tables } from './module_bindings';
import { Playhead, Track } from './motion';

const STEER_MS = 50;
const RANKING_MS = 500;
const RANKS = 8;

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const canvas = element<HTMLCanvasElement>('field');
const joinForm = element<HTMLFormElement>('join');
const address = new URLSearchParams(location.search);
const database = address.get('db') ?? 'game';

const connection = DbConnection.builder()
  .withUri(address.get('uri') ?? 'http://localhost:3000')
  .withDatabaseName(database)
  // Positions need not be on disk before they are seen.
  .withConfirmedReads(false)
  .withReconnect({ delayMs: 250, maxDelayMs: 4000 })
  .build();

const { body, clock, food } = connection.db;
const tracks = new Map<bigint, Track>();
const latestTick = (): number => Number(clock.id.find(0)?.tick ?? 0n);

// All tables are up to date when a callback runs, so the clock is that of the rows.
body.onInsert((_, row) => {
  const track = new Track();
  track.add(latestTick(), row);
  tracks.set(row.id, track);
});
body.onUpdate((_, __, row) => tracks.get(row.id)?.add(latestTick(), row));
body.onDelete((_, row) => {
  const track = tracks.get(row.id);
  if (track !== undefined) {
    track.end = latestTick();
  }
});

/** Names and colors of bodies, also of those that are gone but still seen. */
type Look = { name: string; color: number; isMine: boolean; safeUntil: number };
const looks = new Map<bigint, Look>();
body.onInsert((_, { id, name, color, owner, safeUntil }) => {
  const { identity } = connection;
  const isMine = owner !== undefined && identity !== undefined && owner.isEqual(identity);
  looks.set(id, { name, color, isMine, safeUntil: Number(safeUntil) });
});

connection.subscriptionBuilder().subscribe([tables.clock, tables.body, tables.food, tables.player]);

const playhead = new Playhead();
const center = { x: FIELD / 2, y: FIELD / 2 };
let lastFrameAt = performance.now();

function visibleBodies(): DrawnBody[] {
  const visible: DrawnBody[] = [];
  for (const [id, track] of tracks) {
    const place = track.placeAt(playhead.at);
    if (place !== undefined) {
      const look = looks.get(id)!;
      visible.push({ id, ...place, ...look, isSafe: playhead.at < look.safeUntil });
    } else if (track.end <= playhead.at) {
      tracks.delete(id);
      looks.delete(id);
    }
  }
  return visible;
}

function frame(now: number): void {
  playhead.advance(now - lastFrameAt, latestTick());
  lastFrameAt = now;
  const bodies = visibleBodies();
  const mine = bodies.find(it => it.isMine);
  if (mine !== undefined) {
    center.x = mine.x;
    center.y = mine.y;
  }
  draw(canvas, center, food.iter(), bodies);
  dispatchEvent(new CustomEvent('frame', { detail: { now, tick: playhead.at, bodies } }));
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);

const myBody = () =>
  connection.identity === undefined
    ? undefined
    : body.iter().find(it => it.owner?.isEqual(connection.identity!));

joinForm.addEventListener('submit', event => {
  event.preventDefault();
  const name = element<HTMLInputElement>('name').value;
  connection.reducers.join({ name }).then(
    () => {
      joinForm.hidden = true;
    },
    (error: Error) => {
      element('error').textContent = error.message;
    }
  );
});

const bots = element('bots').querySelector('input')!;
bots.addEventListener('change', () => {
  connection.reducers
    .setBots({ count: Number(bots.value) })
    .catch((error: Error) => console.warn(error.message));
});

let wanted: { heading: number; speed: number } | undefined;
const lead = (event: PointerEvent): void => {
  const x = event.clientX - canvas.clientWidth / 2;
  const y = event.clientY - canvas.clientHeight / 2;
  wanted = { heading: Math.atan2(y, x), speed: Math.min(1, Math.hypot(x, y) / 120) };
};
canvas.addEventListener('pointermove', lead);
canvas.addEventListener('pointerdown', lead);

setInterval(() => {
  if (wanted !== undefined && joinForm.hidden && connection.isActive) {
    const steering = wanted;
    wanted = undefined;
    connection.reducers.steer(steering).catch((error: Error) => console.warn(error.message));
  }
}, STEER_MS);

setInterval(() => {
  const state = connection.isActive ? 'connected' : 'connecting';
  element('state').textContent = `${state}: ${body.count()} bodies, ${food.count()} to eat`;
  if (document.activeElement !== bots) {
    bots.value = String([...body.iter()].filter(it => it.owner === undefined).length);
  }
  const largest = [...body.iter()].sort((a, b) => b.mass - a.mass).slice(0, RANKS);
  element('ranking')
    .querySelector('ol')!
    .replaceChildren(
      ...largest.map(({ id, name, mass }) => {
        const line = document.createElement('li');
        const size = document.createElement('span');
        size.textContent = String(Math.floor(mass));
        line.append(name, ' ', size);
        line.classList.toggle('mine', looks.get(id)?.isMine === true);
        return line;
      })
    );
  if (joinForm.hidden && connection.isActive && myBody() === undefined) {
    joinForm.hidden = false;
    element('error').textContent = 'You were eaten.';
  }
}, RANKING_MS);
