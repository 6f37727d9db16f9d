import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatPath } from '../object.ts';
import { MAX_VIOLATIONS } from './context.ts';
import {
  any,
  array,
  boolean,
  bytes,
  double,
  duration,
  enumOf,
  type Infer,
  int32,
  intOrString,
  map,
  object,
  type ReadOptions,
  readWith,
  required,
  type Schema,
  string,
  struct,
  uint32,
  uint64,
} from './index.ts';

const said = (schema: Schema<unknown>, value: unknown, options?: ReadOptions): string[] =>
  readWith(schema, value, ['spec'], options).violations.map((v) => `${v.severity} ${formatPath(v.path)} ${v.message}`);

const route = object(
  {
    host: required(string()),
    timeout: duration(),
    mode: enumOf('SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
    weight: int32(),
    labels: map(string()),
    list: array(object({ port: uint32() })),
    exact: string(),
    prefix: string(),
    directResponse: struct(),
  },
  { oneOf: [['exact', 'prefix']], aliases: { old_weight: 'weight' }, removed: ['mixer'] },
);

test('a value is read into its type, durations as milliseconds', () => {
  const value: Infer<typeof route> | undefined = readWith(route, {
    host: 'a',
    timeout: '1.5s',
    list: [{ port: 80 }],
    labels: { a: 'b' },
  }).value;
  assert.deepEqual(value, { host: 'a', timeout: 1500, list: [{ port: 80 }], labels: { a: 'b' } });
});

test('null is absent, and an alias is its field', () => {
  assert.deepEqual(readWith(route, { host: 'a', timeout: null, old_weight: 5 }).value, { host: 'a', weight: 5 });
  assert.deepEqual(said(route, { host: null }), ['error spec.host is required']);
});

describe('what is wrong is said with its path', () => {
  const table: readonly (readonly [string, unknown, readonly string[]])[] = [
    [
      'an unknown field',
      { host: 'a', tiemout: '1s' },
      ['error spec.tiemout is an unknown field; did you mean "timeout"?'],
    ],
    [
      'another spelling',
      { host: 'a', direct_response: {} },
      ['error spec.direct_response is an unknown field; did you mean "directResponse"?'],
    ],
    ['nothing close', { host: 'a', xyzzy: 1 }, ['error spec.xyzzy is an unknown field']],
    ['missing', {}, ['error spec.host is required']],
    ['of another type, once', { host: 5 }, ['error spec.host must be a string, not the number 5; put it in quotes']],
    [
      'an enum',
      { host: 'a', mode: 'ISTIO_MUTAL' },
      [
        'error spec.mode must be one of SIMPLE, MUTUAL, ISTIO_MUTUAL, not the string "ISTIO_MUTAL"; did you mean "ISTIO_MUTUAL"?',
      ],
    ],
    [
      'an enum by number',
      { host: 'a', mode: 1 },
      ['error spec.mode must be one of SIMPLE, MUTUAL, ISTIO_MUTUAL, not the number 1'],
    ],
    [
      'a duration',
      { host: 'a', timeout: 5 },
      ['error spec.timeout must be a duration such as 1.5s, 300ms or 1h30m, not the number 5'],
    ],
    [
      'in a list',
      { host: 'a', list: [{ port: 1 }, { port: -1 }] },
      ['error spec.list[1].port must be between 0 and 4294967295, not -1'],
    ],
    ['nothing in a list', { host: 'a', list: [null] }, ['error spec.list[0] must not be empty']],
    ['an object for a list', { host: 'a', list: {} }, ['error spec.list must be a list, not an object']],
    [
      'in a map',
      { host: 'a', labels: { 'x.y/z': true } },
      [
        'error spec.labels["x.y/z"] must be a string, not the boolean true; put it in quotes (YAML takes y, n, yes, no, on and off for booleans)',
      ],
    ],
    ['two of one group', { host: 'a', exact: 'x', prefix: 'y' }, ['error spec only one of exact, prefix may be set']],
    [
      'a field and its alias',
      { host: 'a', weight: 1, old_weight: 2 },
      ['error spec.old_weight is another spelling of weight, which is also set'],
    ],
    ['a removed field', { host: 'a', mixer: 1 }, ['warning spec.mixer was removed from the API and has no effect']],
    [
      'everything at once',
      { tiemout: 1, weight: 'x' },
      [
        'error spec.tiemout is an unknown field; did you mean "timeout"?',
        'error spec.weight must be a whole number, not the string "x"',
        'error spec.host is required',
      ],
    ],
    ['not an object', [], ['error spec must be an object, not a list']],
  ];
  for (const [name, value, expected] of table) test(name, () => assert.deepEqual(said(route, value), expected));
});

test('unknown fields warn where the options say so', () => {
  assert.deepEqual(said(route, { host: 'a', newField: 1 }, { unknownFields: 'warning' }), [
    'warning spec.newField is an unknown field; it is ignored',
  ]);
});

describe("protobuf's names of fields", () => {
  const inner = object({ portNumber: uint32(), host: string() }, { oneOf: [['portNumber', 'host']] });
  const outer = object(
    { firstField: required(inner), some: map(inner), h2Upgrade: boolean() },
    { protobufNames: true },
  );
  test('are taken, in what an object contains as well, and keys of a map are nobody else than themselves', () => {
    const json = { first_field: { port_number: 1 }, some: { a_b: { port_number: 2 } }, h2_upgrade: true };
    assert.deepEqual(readWith(outer, json), {
      value: { firstField: { portNumber: 1 }, some: { a_b: { portNumber: 2 } }, h2Upgrade: true },
      violations: [],
    });
  });
  test('are held to what the others are held to', () => {
    assert.deepEqual(said(outer, { first_field: { port_number: 1, host: 'a' }, h2_upgrade: 1 }), [
      'error spec.first_field only one of portNumber, host may be set',
      'error spec.h2_upgrade must be true or false, not the number 1',
    ]);
    assert.deepEqual(said(outer, { firstField: {}, first_field: {} }), [
      'error spec.first_field is another spelling of firstField, which is also set',
    ]);
    assert.deepEqual(said(outer, { firstField: {}, second_field: {} }), [
      'error spec.second_field is an unknown field',
    ]);
  });
  test('are not taken beside it', () => {
    const both = object({ a: outer, b: inner });
    assert.deepEqual(said(both, { a: { first_field: {} }, b: { port_number: 1 } }), [
      'error spec.b.port_number is an unknown field; did you mean "portNumber"?',
    ]);
  });
});

describe('scalars', () => {
  const table: readonly (readonly [string, Schema<unknown>, unknown, unknown])[] = [
    ['an integer', int32(), -5, -5],
    ['an integral float', int32(), 3.0, 3],
    ['an integer in quotes', uint64(), '65537', 65537],
    ['a fraction', int32(), 3.5, undefined],
    ['too large', int32(), 2 ** 31, undefined],
    ['beyond what is exact', uint64(), '9007199254740993', undefined],
    ['octal in quotes', uint32(), '010', undefined],
    ['a number', double(), 1.5, 1.5],
    ['a number in quotes', double(), '1e2', 100],
    ['not a number', double(), 'NaN', undefined],
    ['a boolean', boolean(), false, false],
    ['a boolean in quotes', boolean(), 'true', undefined],
    ['base64', bytes(), 'aGk=', 'aGk='],
    ['base64 over lines', bytes(), 'aG\nk=\n', 'aG\nk=\n'],
    ['not base64', bytes(), 'a*', undefined],
    ['a port by number', intOrString(), 80, 80],
    ['a port by name', intOrString(), 'http', 'http'],
    ['a fraction of a port', intOrString(), 1.5, undefined],
    ['anything', any(), [1, { a: null }], [1, { a: null }]],
    ['a struct', struct(), { a: [1] }, { a: [1] }],
    ['a list for a struct', struct(), [], undefined],
  ];
  for (const [name, schema, value, expected] of table) {
    test(name, () => assert.deepEqual(readWith(schema, value).value, expected));
  }
  test('a number in quotes is accepted with a warning, since Kubernetes refuses it', () => {
    assert.deepEqual(said(uint32(), '80'), ['warning spec is a number in quotes, which Kubernetes refuses; write 80']);
  });
  test('bounds of strings', () => {
    const schema = string({ minLength: 1, maxLength: 3, check: (s) => (s === 'bad' ? 'is bad' : undefined) });
    assert.deepEqual(said(schema, ''), ['error spec must not be empty']);
    assert.deepEqual(said(schema, 'long'), ['error spec must have at most 3 characters, has 4']);
    assert.deepEqual(said(schema, 'bad'), ['error spec is bad']);
    assert.deepEqual(said(schema, 'ok'), []);
  });
});

test('a key __proto__ in a map is a key', () => {
  const read = readWith(map(string()), JSON.parse('{"__proto__": "x"}')).value!;
  assert.deepEqual(Object.entries(read), [['__proto__', 'x']]);
  assert.equal(Object.getPrototypeOf(read), Object.prototype);
});

test('nobody is told of the thousandth violation', () => {
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`f${i}`, 1]));
  assert.equal(said(object({}), many).length, MAX_VIOLATIONS);
});
