import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../wire/headers.ts';
import { nameAnsweredOperation, nameOperation } from './operation-name.ts';

const HEADER = 'x-envoy-decorator-operation';

function setUp(given?: string) {
  const headers = Headers.request('GET', '/', 'a.b');
  if (given !== undefined) headers.set(HEADER, given);
  const names: string[] = [];
  const trace = { span: { rename: (name: string) => names.push(name) } } as never;
  return { headers, names, trace, told: () => headers.get(HEADER) };
}

const route = (decoratorOperation: string, decoratorPropagate = true) => ({ decoratorOperation, decoratorPropagate });

test("a client's proxy names the operation and tells the server's", () => {
  const { headers, names, trace, told } = setUp();
  assert.equal(nameOperation(headers, trace, route('checkout'), true, false), false);
  assert.deepEqual([names, told()], [['checkout'], 'checkout']);
});

test('it keeps the name to itself where it is told to, or has none', () => {
  for (const one of [route('checkout', false), route(''), undefined]) {
    const { headers, trace, told } = setUp();
    nameOperation(headers, trace, one, true, false);
    assert.equal(told(), undefined);
  }
});

test("a server's proxy takes the name of the client's, and keeps to it when the route changes", () => {
  const { headers, names, trace, told } = setUp('from the client');
  assert.equal(nameOperation(headers, trace, route('own'), false, false), true);
  assert.deepEqual([names, told()], [['own', 'from the client'], undefined]);
  assert.equal(nameOperation(headers, trace, route('another'), false, true), true);
  assert.deepEqual(names, ['own', 'from the client']);
});

test('an empty name is taken off, and names nothing', () => {
  const { headers, names, trace, told } = setUp('');
  assert.equal(nameOperation(headers, trace, undefined, false, false), true);
  assert.deepEqual([names, told()], [[], undefined]);
});

test("a response tells the client's proxy, unless that has named the operation", () => {
  const cases: [string | undefined, ReturnType<typeof route> | undefined, boolean][] = [
    ['checkout', route('checkout'), false],
    [undefined, route('checkout'), true],
    [undefined, route('checkout', false), false],
    [undefined, undefined, false],
  ];
  for (const [wanted, one, given] of cases) {
    const { headers, trace, told } = setUp();
    nameAnsweredOperation(headers, trace, one, false, given);
    assert.equal(told(), wanted);
  }
});

test("a client's proxy takes the name from the response", () => {
  const { headers, names, trace, told } = setUp('from the server');
  nameAnsweredOperation(headers, trace, route('own'), true, false);
  assert.deepEqual([names, told()], [['from the server'], undefined]);
});
