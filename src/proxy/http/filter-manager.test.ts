import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Headers } from '../../wire/headers.ts';
import type { Route } from '../router/route.ts';
import type { NamedFilter } from './config.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter } from './filter.ts';
import { FilterManager } from './filter-manager.ts';
import type { FilteredStream } from './filtered-stream.ts';

/** A stream that writes down what its filters do to it. */
function setUp() {
  const log: string[] = [];
  const text = (chunk: Uint8Array, end: boolean) => `${Buffer.from(chunk)}${end ? '$' : ''}`;
  const stream = {
    info: { responseCode: 0 },
    over: false,
    answeredHere: false,
    bufferLimit: 10,
    route: undefined as Route | undefined,
    clearRoute: () => log.push('clear route'),
    setRoute: (route: Route) => (stream.route = route),
    pauseRequest: (pause: boolean) => log.push(`pause ${pause}`),
    passInformational: (headers: Headers) => log.push(`out ${headers.status}`),
    passHeaders: (headers: Headers, end: boolean) => log.push(`out ${headers.status}${end ? '$' : ''}`),
    passData: (chunk: Uint8Array, end: boolean) => log.push(`out ${text(chunk, end)}`),
    passTrailers: () => log.push('out trailers'),
    requestTooLarge: () => log.push('request too large'),
    responseTooLarge: () => log.push('response too large'),
  };
  const callbacks = new Map<string, FilterCallbacks>();
  const named = (name: string, filter: HttpFilter | undefined = {}, more: Partial<NamedFilter> = {}): NamedFilter => ({
    name,
    disabled: false,
    factory: {
      create(given) {
        log.push(`make ${name}`);
        callbacks.set(name, given);
        return { destroy: () => log.push(`destroy ${name}`), ...filter };
      },
    },
    ...more,
  });
  return { log, stream, named, callbacks, manager: (chain: readonly NamedFilter[]) => manage(stream, chain) };
}

const manage = (stream: unknown, chain: readonly NamedFilter[]) => new FilterManager(stream as FilteredStream, chain);
const GET = () => Headers.request('GET', '/', 'a.b');

test('filters are made in order when the request comes, and those that are off are not', () => {
  const { log, named, manager } = setUp();
  const terminal = named('router', {}, { disabled: true });
  const chain = [
    named('a'),
    named('off', {}, { disabled: true }),
    named('on', {}, { disabled: true }),
    named('switched-off'),
    { ...terminal, factory: { ...terminal.factory, terminal: true } },
  ];
  const filters = manager([]);
  const switches = new Map([
    ['on', false],
    ['switched-off', true],
  ]);
  filters.startRequest(GET(), true, chain, switches);
  assert.deepEqual(log, ['make a', 'make on', 'make router']);
  filters.destroy();
  assert.deepEqual(log.slice(3), ['destroy a', 'destroy on', 'destroy router']);
});

test('a response passes all filters in reverse, also one that comes before the request has', () => {
  const { log, named, manager, stream } = setUp();
  const responds = (name: string) => ({
    responseHeaders() {
      log.push(`${name} sees`);
      return HeadersStatus.Continue;
    },
  });
  const filters = manager([named('a', responds('a')), named('b', responds('b'))]);
  filters.startResponse(Headers.response(403), true);
  assert.deepEqual(log, ['make a', 'make b', 'b sees', 'a sees', 'out 403$']);
  assert.equal(stream.info.responseCode, 403);
});

test('what the terminal filter answers is not taken once the request has been answered here', () => {
  const { log, named, manager, stream } = setUp();
  const filters = manager([named('a')]);
  filters.startRequest(GET(), false, [named('a')], undefined);
  stream.answeredHere = true;
  filters.respondHeaders(Headers.response(200), true);
  filters.requestData(Buffer.from('x'), true);
  assert.deepEqual([log, filters.responsePass], [['make a'], undefined]);
});

test('interim responses pass until the response begins', () => {
  const { log, named, manager } = setUp();
  const filters = manager([]);
  const chain = [named('a', { responseInformational: () => log.push('a sees') })];
  filters.startRequest(GET(), true, chain, undefined);
  filters.respondInformational(Headers.response(103));
  filters.respondHeaders(Headers.response(200), false);
  filters.respondInformational(Headers.response(103));
  assert.deepEqual(log, ['make a', 'a sees', 'out 103', 'out 200']);
});

test('filters behind one that changes the route are made anew, unless the request has passed them', () => {
  const { log, named, manager, callbacks } = setUp();
  const stop = { requestHeaders: () => HeadersStatus.StopIteration };
  const filters = manager([]);
  filters.startRequest(GET(), false, [named('a', stop), named('b'), named('c')], undefined);
  callbacks.get('a')!.clearRouteCache();
  assert.deepEqual(log.splice(0), ['make a', 'make b', 'make c', 'clear route', 'destroy b', 'destroy c']);
  callbacks.get('a')!.continueRequest();
  assert.deepEqual(log.splice(0), ['make b', 'make c']);
  callbacks.get('a')!.setRoute({ name: 'new' } as Route);
  assert.deepEqual(log, []);
});

test('a slow client is told to whoever asks, once a change and at once to who comes late', () => {
  const { named, manager, callbacks } = setUp();
  const filters = manager([]);
  filters.startRequest(GET(), true, [named('a')], undefined);
  const seen: string[] = [];
  callbacks.get('a')!.onResponseBackpressure((high) => seen.push(`first ${high}`));
  filters.writeBackpressure(true);
  filters.writeBackpressure(true);
  callbacks.get('a')!.onResponseBackpressure((high) => seen.push(`second ${high}`));
  filters.writeBackpressure(false);
  assert.deepEqual(seen, ['first true', 'second true', 'first false', 'second false']);
});

test('more than may be kept is told of by its direction', () => {
  const { log, named, manager } = setUp();
  const filters = manager([]);
  const hold = {
    requestHeaders: () => HeadersStatus.StopIteration,
    responseHeaders: () => HeadersStatus.StopIteration,
  };
  filters.startRequest(GET(), false, [named('a', hold)], undefined);
  filters.requestData(Buffer.alloc(11), false);
  filters.respondHeaders(Headers.response(200), false);
  filters.setBufferLimit(20);
  filters.respondData(Buffer.alloc(20), false);
  filters.respondData(Buffer.alloc(1), false);
  assert.deepEqual(log, ['make a', 'request too large', 'response too large']);
});
