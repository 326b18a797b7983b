// Values and bytes: known encodings, refusals, and random values there and back.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  AlgebraicType,
  BinaryReader,
  BinaryWriter,
  ConnectionId,
  Identity,
  ScheduleAt,
  TimeDuration,
  Timestamp,
  Uuid,
  hexStringToUint8Array,
  t,
  uint8ArrayToHexString,
} from 'spacetime-client';

function encode(builder, value) {
  const writer = new BinaryWriter(0);
  builder.serialize(writer, value);
  return uint8ArrayToHexString(writer.getBuffer());
}

function decode(builder, hex) {
  const reader = new BinaryReader(hexStringToUint8Array(hex));
  const value = builder.deserialize(reader);
  assert.equal(reader.remaining, 0);
  return value;
}

const ABC = t.enum('Abc', { A: t.unit(), B: t.u32(), C: t.string() });
const HEX_32 = Array.from({ length: 32 }, (_, n) => n.toString(16).padStart(2, '0')).join('');
const REVERSED_32 = HEX_32.match(/../g).reverse().join('');

const KNOWN = [
  ['true', t.bool(), true, '01'],
  ['false', t.bool(), false, '00'],
  ['i8', t.i8(), -1, 'ff'],
  ['u8', t.u8(), 255, 'ff'],
  ['i16', t.i16(), -2, 'feff'],
  ['u16', t.u16(), 0x1234, '3412'],
  ['i32', t.i32(), -3, 'fdffffff'],
  ['u32', t.u32(), 0xdeadbeef, 'efbeadde'],
  ['i64', t.i64(), -4n, 'fcffffffffffffff'],
  ['u64', t.u64(), 2n ** 63n + 1n, '0100000000000080'],
  ['i128', t.i128(), -5n, `fb${'ff'.repeat(15)}`],
  ['u128', t.u128(), 2n ** 100n, '00000000000000000000000010000000'],
  ['i256', t.i256(), -(2n ** 255n), `${'00'.repeat(31)}80`],
  ['f32', t.f32(), 1.5, '0000c03f'],
  ['f32 -0', t.f32(), -0, '00000080'],
  ['f64', t.f64(), 0.1, '9a9999999999b93f'],
  ['string', t.string(), 'h\u00e9y', '0400000068c3a979'],
  ['byte order mark', t.string(), '\ufeff', '03000000efbbbf'],
  ['bytes', t.byteArray(), new Uint8Array([1, 2, 255]), '030000000102ff'],
  ['u16 list', t.array(t.u16()), [1, 2], '0200000001000200'],
  ['text list', t.array(t.string()), ['a', 'bc'], '020000000100000061020000006263'],
  ['object', t.object('O', { a: t.u8(), b: t.string() }), { a: 7, b: 'hi' }, '07020000006869'],
  ['some', t.option(t.u8()), 5, '0005'],
  ['none', t.option(t.u8()), undefined, '01'],
  ['ok', t.result(t.u8(), t.string()), { ok: 5 }, '0005'],
  ['err', t.result(t.u8(), t.string()), { err: 'e' }, '010100000065'],
  ['unit variant', ABC, { tag: 'A', value: {} }, '00'],
  ['number variant', ABC, { tag: 'B', value: 9 }, '0109000000'],
  ['text variant', ABC, { tag: 'C', value: 'q' }, '020100000071'],
  ['identity', t.identity(), new Identity(HEX_32), REVERSED_32],
  [
    'connection id',
    t.connectionId(),
    ConnectionId.fromString(HEX_32.slice(0, 32)),
    REVERSED_32.slice(32),
  ],
  ['timestamp', t.timestamp(), new Timestamp(1700000000123456n), '40222018240a0600'],
  ['duration', t.timeDuration(), new TimeDuration(-1500000n), 'a01ce9ffffffffff'],
  ['interval', t.scheduleAt(), ScheduleAt.interval(10000000n), '008096980000000000'],
  ['time', t.scheduleAt(), ScheduleAt.time(1n), '010100000000000000'],
  [
    'uuid',
    t.uuid(),
    Uuid.parse('01020304-0506-0708-090a-0b0c0d0e0f10'),
    '100f0e0d0c0b0a090807060504030201',
  ],
];

for (const [name, type, value, hex] of KNOWN) {
  test(`${name} is ${hex}`, () => {
    assert.equal(encode(type, value), hex);
    assert.deepEqual(decode(type, hex), value);
  });
}

test('variants are made through their type', () => {
  assert.equal(encode(ABC, ABC.A), '00');
  assert.equal(encode(ABC, ABC.B(9)), '0109000000');
  assert.equal(encode(ABC, { tag: 'A' }), '00');
  assert.equal(encode(t.enum('Plain', ['X', 'Y']), { tag: 'Y' }), '01');
});

test('a type that contains itself', () => {
  const Tree = t.object('Tree', {
    name: t.string(),
    get children() {
      return t.array(Tree);
    },
  });
  const tree = { name: 'a', children: [{ name: 'b', children: [] }] };
  const hex = encode(Tree, tree);
  assert.equal(hex, '010000006101000000010000006200000000');
  assert.deepEqual(decode(Tree, hex), tree);
});

test('types that are declared later', () => {
  const First = t.object('First', {
    get second() {
      return Second;
    },
  });
  const Second = t.object('Second', { n: t.u8() });
  assert.equal(encode(First, { second: { n: 3 } }), '03');
  const Lazy = t.lazy(() => Second);
  assert.equal(encode(t.array(Lazy), [{ n: 4 }]), '0100000004');
});

test('what is not of its type is refused, and the place is named', () => {
  const Outer = t.object('Outer', { inner: t.object('Inner', { count: t.u8() }) });
  const bad = [
    [t.u8(), 256],
    [t.u8(), -1],
    [t.u8(), 1.5],
    [t.u8(), '1'],
    [t.u64(), 1],
    [t.u64(), 2n ** 64n],
    [t.i64(), 2n ** 63n],
    [t.u256(), -1n],
    [t.string(), 1],
    [t.bool(), 1],
    [t.array(t.u16()), 'x'],
    [t.byteArray(), 'x'],
    [t.identity(), 'abc'],
    [ABC, { tag: 'D' }],
    [ABC, 'A'],
    [t.object('O', { a: t.u8() }), null],
    [t.result(t.u8(), t.u8()), { neither: 1 }],
  ];
  for (const [type, value] of bad) {
    assert.throws(() => encode(type, value), TypeError);
  }
  assert.throws(() => encode(Outer, { inner: { count: 300 } }), /^TypeError: inner\.count: /);
});

test('bytes that end too early or say nonsense are refused', () => {
  for (const [, type, , hex] of KNOWN) {
    for (let length = 0; length < hex.length; length += 2) {
      assert.throws(() => decode(type, hex.slice(0, length)), `${hex.slice(0, length)}`);
    }
  }
  assert.throws(() => decode(t.bool(), '02'));
  assert.throws(() => decode(t.option(t.u8()), '0205'));
  assert.throws(() => decode(ABC, '03'));
  assert.throws(() => decode(t.string(), '01000000ff'));
  assert.throws(() => decode(t.array(t.unit()), 'ffffffff'), /without any bytes/);
  assert.throws(() => decode(t.byteArray(), 'ffffffff00'));
});

test('a reader of part of a buffer stays in its part', () => {
  const whole = new Uint8Array([9, 9, 1, 0, 0, 0, 65, 9, 9]);
  const reader = new BinaryReader(whole.subarray(2, 7));
  assert.equal(reader.readString(), 'A');
  assert.equal(reader.remaining, 0);
  assert.throws(() => reader.readU8());
});

/** A generator of numbers that is the same on every run. */
function generator(seed) {
  let state = seed;
  return below => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function randomValue(random, depth = 3) {
  const kinds = depth === 0 ? 8 : 12;
  switch (random(kinds)) {
    case 0:
      return [t.u32(), random(2 ** 32)];
    case 1:
      return [t.i64(), BigInt(random(2 ** 32)) * (random(2) ? -1n : 1n) * BigInt(random(2 ** 30))];
    case 2:
      return [
        t.string(),
        Array.from({ length: random(40) }, () => 'a\u00e9\u4e2d\u{1f980}'[random(4)])
          .join('')
          .toWellFormed?.() ?? 'x',
      ];
    case 3:
      return [t.bool(), random(2) === 1];
    case 4:
      return [t.identity(), new Identity(BigInt(random(2 ** 32)) ** 7n)];
    case 5:
      return [t.f64(), random(1000) / 7];
    case 6:
      return [t.timestamp(), new Timestamp(BigInt(random(2 ** 32)) - 2n ** 31n)];
    case 7:
      return [t.byteArray(), Uint8Array.from({ length: random(20) }, () => random(256))];
    case 8: {
      const [type, value] = randomValue(random, depth - 1);
      return [t.array(type), Array.from({ length: random(4) }, () => value)];
    }
    case 9: {
      // An option of an option would not come back: its values are the same.
      const [type, value] = randomValue(random, 0);
      return [t.option(type), random(2) ? value : undefined];
    }
    case 10: {
      const [type, value] = randomValue(random, depth - 1);
      return [t.enum('E', { X: t.unit(), Y: type }), { tag: 'Y', value }];
    }
    default: {
      const fields = Array.from({ length: 1 + random(5) }, (_, n) => [
        `f${n}`,
        randomValue(random, depth - 1),
      ]);
      const type = Object.fromEntries(fields.map(([name, [fieldType]]) => [name, fieldType]));
      const value = Object.fromEntries(fields.map(([name, [, fieldValue]]) => [name, fieldValue]));
      return [t.object('P', type), value];
    }
  }
}

test('random values come back, and have keys that tell them apart', () => {
  const random = generator(7);
  for (let round = 0; round < 2000; round += 1) {
    const [type, value] = randomValue(random);
    const hex = encode(type, value);
    const back = decode(type, hex);
    assert.deepEqual(back, value);
    const key = AlgebraicType.intoMapKey(type.algebraicType, value);
    assert.equal(AlgebraicType.intoMapKey(type.algebraicType, back), key);
  }
  const u64 = AlgebraicType.U64;
  const around = [0n, 1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n];
  assert.equal(new Set(around.map(it => AlgebraicType.intoMapKey(u64, it))).size, around.length);
  const i64 = [-(2n ** 63n), -(2n ** 53n) - 1n, -(2n ** 53n), -1n, 0n, 2n ** 63n - 1n];
  const keys = i64.map(it => AlgebraicType.intoMapKey(AlgebraicType.I64, it));
  assert.equal(new Set(keys).size, i64.length);
});

test('text and bytes of special values', () => {
  assert.equal(new TimeDuration(-1500000n).toString(), '-1.500000');
  assert.equal(new TimeDuration(0n).toString(), '+0.000000');
  assert.equal(new Timestamp(-1n).toISOString(), '1969-12-31T23:59:59.999999Z');
  assert.equal(new Timestamp(-1n).toDate().getTime(), -1);
  assert.throws(() => new Timestamp(2n ** 63n - 1n).toDate(), RangeError);
  assert.throws(() => new Identity('12'), SyntaxError);
  assert.throws(() => new Identity(2n ** 256n), RangeError);
  assert.equal(Identity.fromString(`0x${HEX_32}`).toHexString(), HEX_32);
  assert.equal(
    Uuid.fromRandomBytesV4(new Uint8Array(16)).toString(),
    '00000000-0000-4000-8000-000000000000'
  );
  const counter = { value: 0x7fffffff };
  const now = new Timestamp(1700000000123456n);
  const seven = Uuid.fromCounterV7(counter, now, new Uint8Array([255, 255, 255, 255]));
  assert.equal(seven.toString(), '018bcfe5-687b-70ff-80ff-fffe7fffffff');
  assert.deepEqual([counter.value, seven.getVersion(), seven.getCounter()], [0, 'V7', 0x7fffffff]);
  const other = { value: 0x12345678 };
  const random = new Uint8Array([0xa1, 0xb2, 0xc3, 0xd4]);
  assert.equal(
    Uuid.fromCounterV7(other, now, random).toString(),
    '018bcfe5-687b-7024-8068-acf021b2c3d4'
  );
  for (const text of [
    '01234567-89ab-4def-8123-456789abcdef',
    '0123456789ab4def8123456789abcdef',
    'urn:uuid:01234567-89ab-4def-8123-456789abcdef',
    '{01234567-89ab-4def-8123-456789abcdef}',
  ]) {
    assert.equal(Uuid.parse(text).toString(), '01234567-89ab-4def-8123-456789abcdef');
  }
  assert.throws(() => Uuid.parse('0123'), SyntaxError);
});
