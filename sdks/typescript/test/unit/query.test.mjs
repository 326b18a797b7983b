// Built queries: the SQL that they become, and what they say of rows.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  ConnectionId,
  Identity,
  Timestamp,
  Uuid,
  and,
  evaluateBooleanExpr,
  getQueryAccessorName,
  getQueryTableName,
  getQueryWhereClause,
  makeQueryBuilder,
  not,
  or,
  schema,
  t,
  table,
  toCamelCase,
  toPascalCase,
  toSnakeCase,
  toSql,
} from 'spacetime-client';

const row = t.row({
  id: t.u64().primaryKey(),
  flag: t.bool(),
  count: t.i32().name('the_count'),
  name: t.string(),
  owner: t.identity(),
  at: t.timestamp(),
  key: t.uuid(),
  link: t.connectionId(),
  maybe: t.option(t.u32()),
});

const tables = makeQueryBuilder(
  schema({
    things: table({ name: 'thing', indexes: [], constraints: [] }, row),
    other: table({ name: 'other', indexes: [], constraints: [] }, row),
    'lib.users': table({ name: 'lib.users', indexes: [], constraints: [] }, row),
  }).schemaType
);
const { things, other } = tables;
const identity = new Identity(0xabcn);

const SQL = [
  [things, 'SELECT * FROM "thing"'],
  [tables.lib.users, 'SELECT * FROM "lib"."users"'],
  [things.where(r => r.id.eq(10n)), 'SELECT * FROM "thing" WHERE "thing"."id" = 10'],
  [things.where(r => r.count.ne(-1)), 'SELECT * FROM "thing" WHERE "thing"."the_count" <> -1'],
  [things.where(r => r.flag), 'SELECT * FROM "thing" WHERE "thing"."flag" = TRUE'],
  [things.where(() => true), 'SELECT * FROM "thing" WHERE TRUE = TRUE'],
  [things.where(r => r.name.eq("it's")), `SELECT * FROM "thing" WHERE "thing"."name" = 'it''s'`],
  [
    things.where(r => r.owner.eq(identity)),
    `SELECT * FROM "thing" WHERE "thing"."owner" = 0x${identity.toHexString()}`,
  ],
  [
    things.where(r => r.at.lt(new Timestamp(1700000000123456n))),
    `SELECT * FROM "thing" WHERE "thing"."at" < '2023-11-14T22:13:20.123456Z'`,
  ],
  [
    things.where(r => r.key.eq(Uuid.NIL).or(r.link.eq(new ConnectionId(1n)))),
    `SELECT * FROM "thing" WHERE ("thing"."key" = 0x${'0'.repeat(32)}) OR ` +
      `("thing"."link" = 0x${'0'.repeat(31)}1)`,
  ],
  [
    things.where(r => r.id.gt(1n).and(r.id.lte(5n)).not()),
    'SELECT * FROM "thing" WHERE NOT (("thing"."id" > 1) AND ("thing"."id" <= 5))',
  ],
  [
    things.where(r => r.id.gt(1n)).where(r => r.flag),
    'SELECT * FROM "thing" WHERE ("thing"."id" > 1) AND ("thing"."flag" = TRUE)',
  ],
  [
    things.where(r => r.id.eq(r.count)),
    'SELECT * FROM "thing" WHERE "thing"."id" = "thing"."the_count"',
  ],
  [
    things
      .where(r => r.flag)
      .leftSemijoin(other, (l, r) => l.id.eq(r.id))
      .where(r => r.count.gte(3)),
    'SELECT "thing".* FROM "other" JOIN "thing" ON "thing"."id" = "other"."id" ' +
      'WHERE ("thing"."flag" = TRUE) AND ("thing"."the_count" >= 3)',
  ],
  [
    things.rightSemijoin(other, (l, r) => l.id.eq(r.id)),
    'SELECT "other".* FROM "thing" JOIN "other" ON "thing"."id" = "other"."id"',
  ],
];

for (const [query, sql] of SQL) {
  test(sql, () => {
    assert.equal(toSql(query), sql);
    assert.equal(query.toSql(), sql);
  });
}

test('which table a query is for', () => {
  assert.deepEqual(
    [getQueryTableName(things), getQueryAccessorName(things.where(r => r.flag))],
    ['thing', 'things']
  );
  const joined = things.rightSemijoin(other, (l, r) => l.id.eq(r.id));
  assert.equal(getQueryAccessorName(joined), 'other');
  assert.equal(getQueryWhereClause(things), undefined);
  assert.throws(() => toSql({}), TypeError);
});

test('what has no place in SQL is refused', () => {
  assert.throws(() => toSql(things.where(r => r.count.eq(NaN))), RangeError);
  assert.throws(() => toSql(things.where(r => r.name.eq({}))), TypeError);
  assert.throws(() => things.leftSemijoin(other, (l, r) => l.id.gt(r.id)), TypeError);
});

test('conditions on rows', () => {
  const sample = {
    id: 5n,
    flag: true,
    count: -3,
    name: '\uffff',
    owner: identity,
    at: new Timestamp(10n),
    key: Uuid.MAX,
    link: new ConnectionId(7n),
    maybe: undefined,
  };
  const holds = predicate => {
    const clause = getQueryWhereClause(things.where(predicate));
    return evaluateBooleanExpr(clause, sample);
  };
  const yes = [
    r => r.id.eq(5n),
    r => r.id.gte(5),
    r => r.count.lt(0),
    r => r.flag,
    r => r.flag.eq(true),
    // In the order of UTF-8, not of UTF-16.
    r => r.name.lt('\u{10000}'),
    r => r.owner.eq(new Identity(0xabcn)),
    r => r.at.gt(new Timestamp(9n)),
    r => r.key.eq(Uuid.MAX),
    r => r.link.ne(new ConnectionId(8n)),
    r => not(r.id.eq(4n)),
    r => and(r.flag.eq(true), r.id.eq(5n), r.count.eq(-3)),
    r => or(r.flag.eq(false), r.id.eq(5n)),
    () => true,
  ];
  for (const predicate of yes) {
    assert.ok(holds(predicate), String(predicate));
    const clause = getQueryWhereClause(things.where(predicate));
    assert.ok(!evaluateBooleanExpr(clause.not(), sample), String(predicate));
  }
  // There is nothing to compare with.
  assert.ok(!holds(r => r.maybe.eq(1)) && !holds(r => r.maybe.ne(1)));
});

test('names', () => {
  assert.equal(toCamelCase('set_the_name'), 'setTheName');
  assert.equal(toCamelCase('setName'), 'setName');
  assert.equal(toPascalCase('set_name'), 'SetName');
  assert.equal(toSnakeCase('setTheName'), 'set_the_name');
});
