import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualTimers } from '../../../../test/support/manual-timers.ts';
import { readTraceRequest } from '../../../../test/support/otlp.ts';
import { encodeResource, encodeScope, encodeTraceRequest } from '../../../telemetry/otlp/encode.ts';
import { Headers } from '../../../wire/headers.ts';
import { SpanBuffer } from './exporter.ts';
import { OpenTelemetryTracer } from './open-telemetry.ts';
import { fromEnvironment } from './open-telemetry-config.ts';
import type { Tracer } from './span.ts';
import { type ZipkinOptions, ZipkinTracer } from './zipkin.ts';

function buffer() {
  const spans: Uint8Array[] = [];
  const keep = new SpanBuffer({
    timers: new ManualTimers(),
    minFlush: 1,
    intervalMs: 1000,
    maxPending: 1,
    send(list, done) {
      spans.push(...list);
      done();
    },
    onDropped() {},
    onTimer() {},
  });
  return { spans, keep };
}

function clock() {
  let now = 1_000_000_000n;
  return { now: () => (now += 5000n) };
}

const request = (...list: string[]) => Headers.request('GET', '/', 'h.test', ...list);
const start = (tracer: Tracer, headers: Headers, traced = true) =>
  tracer.start({ headers, egress: false, spawnsUpstream: false, traced });

test('a W3C trace goes on', () => {
  const { spans, keep } = buffer();
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const headers = request('traceparent', parent, 'tracestate', 'a=b');
  const span = start(new OpenTelemetryTracer(keep, clock()), headers);
  assert.ok(span !== undefined);
  span.tag('name', 'värde');
  const child = span.child('call', '');
  child.inject(headers);
  const [, trace, id, flags] = headers.get('traceparent')!.split('-');
  assert.deepEqual([trace, flags], ['0af7651916cd43dd8448eb211c80319c', '01']);
  child.finish();
  span.finish();
  const { resource, spans: seen } = readTraceRequest(
    encodeTraceRequest(encodeResource([['service.name', 's']]), encodeScope('n', 'v'), spans),
  );
  assert.deepEqual(resource, { 'service.name': 's' });
  assert.deepEqual(
    seen.map(({ name, parentId, kind, traceState }) => [name, parentId, kind, traceState]),
    [
      ['call', seen[1].spanId, 3, 'a=b'],
      ['ingress', 'b7ad6b7169203331', 2, 'a=b'],
    ],
  );
  assert.equal(seen[0].spanId, id);
  assert.deepEqual(seen[1].attributes, { name: 'värde' });
  assert.equal(seen[1].end - seen[1].start, 15_000n);
});

for (const given of ['00-0-0-01', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, 'nonsense']) {
  test(`no span for ${given}`, () => {
    assert.equal(start(new OpenTelemetryTracer(buffer().keep, clock()), request('traceparent', given)), undefined);
  });
}

test('what is not traced goes on with ids and is told nobody', () => {
  const { spans, keep } = buffer();
  const headers = request();
  const span = start(new OpenTelemetryTracer(keep, clock()), headers, false);
  span?.inject(headers);
  span?.finish();
  assert.match(headers.get('traceparent') ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  assert.deepEqual(spans, []);
});

const ZIPKIN: ZipkinOptions = {
  protobuf: false,
  longIds: true,
  sharesContext: false,
  w3c: false,
  serviceName: 'svc',
  address: '10.0.0.1',
};
const TRACE = '463ac35c9f6413ad48485a3953bb6124';
const SPAN = 'a2fb4a1d1a96d312';

test('a B3 trace goes on, in W3C headers as well where told', () => {
  const { spans, keep } = buffer();
  const headers = request('x-b3-traceid', TRACE, 'x-b3-spanid', SPAN, 'x-b3-sampled', '1');
  const span = start(new ZipkinTracer({ ...ZIPKIN, w3c: true }, keep, clock()), headers);
  span?.inject(headers);
  span?.finish();
  const told = JSON.parse(Buffer.from(spans[0]).toString());
  assert.deepEqual([told.traceId, told.parentId, told.kind, told.duration], [TRACE, SPAN, 'SERVER', 5]);
  assert.equal(headers.get('traceparent'), `00-${TRACE}-${told.id}-01`);
  assert.equal(headers.get('x-b3-parentspanid'), SPAN);
});

test('a W3C trace is taken where there is no other', () => {
  const headers = request('traceparent', `00-${TRACE}-${SPAN}-01`);
  assert.equal(start(new ZipkinTracer({ ...ZIPKIN, w3c: true }, buffer().keep, clock()), headers)?.traceId, TRACE);
  assert.notEqual(start(new ZipkinTracer(ZIPKIN, buffer().keep, clock()), headers)?.traceId, TRACE);
});

test('attributes of the environment', () => {
  assert.deepEqual(fromEnvironment('a=b, c = d,nothing,=x,e='), [
    ['a', 'b'],
    ['c', 'd'],
    ['e', ''],
  ]);
});
