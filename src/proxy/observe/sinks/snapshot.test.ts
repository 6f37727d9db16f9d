import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigErrors } from '../../config/errors.ts';
import { Histogram } from '../histogram.ts';
import { Layouts } from '../names/layout.ts';
import { statsSettings } from '../names/settings.ts';
import { HistogramSeries, Series, SeriesFamily } from '../series-family.ts';
import { StatGroup, StatsStore } from '../stats.ts';
import type { MetricName } from './sink.ts';
import { SnapshotTaker } from './snapshot.ts';

class Group extends StatGroup {
  readonly gauges: ReadonlySet<string> = new Set(['active', 'size', 'idle']);
  override readonly setWith = { active: 'total', size: '' };
  readonly time = new Histogram();
  active = 0;
  idle = 0;
  size = 0;
  total = 0;
  unused = 0;
  codes = new Map<string, number>();
  override dynamic = () => this.codes;
}

function given() {
  const store = new StatsStore();
  const group = new Group();
  store.add('cluster.a.', group);
  const taker = new SnapshotTaker(store, new Layouts(statsSettings(undefined, new ConfigErrors())));
  const take = () => {
    store.tick();
    const { counters, gauges, histograms } = taker.take(1);
    return {
      counters: Object.fromEntries(counters.map(({ name, value, delta }) => [name.full, [value, delta]])),
      gauges: Object.fromEntries(gauges.map(({ name, value }) => [name.full, value])),
      histograms: histograms.map(({ name, histogram }) => [name.full, histogram.intervalBuckets().length]),
    };
  };
  return { store, group, taker, take };
}

test('a snapshot has what was ever used, and what was added since the one before', () => {
  const { group, take } = given();
  assert.deepEqual(take(), { counters: {}, gauges: { 'cluster.a.size': 0 }, histograms: [] });
  group.total = 3;
  group.idle = 1;
  group.codes.set('rq_200', 2);
  group.time.record(5);
  assert.deepEqual(take(), {
    counters: { 'cluster.a.total': [3, 3], 'cluster.a.rq_200': [2, 2] },
    gauges: { 'cluster.a.active': 0, 'cluster.a.idle': 1, 'cluster.a.size': 0 },
    histograms: [['cluster.a.time', 1]],
  });
  group.total = 4;
  group.idle = 0;
  assert.deepEqual(take(), {
    counters: { 'cluster.a.total': [4, 1], 'cluster.a.rq_200': [2, 0] },
    gauges: { 'cluster.a.active': 0, 'cluster.a.idle': 0, 'cluster.a.size': 0 },
    histograms: [['cluster.a.time', 0]],
  });
});

test('a counter that was reset begins anew', () => {
  const { store, group, take } = given();
  group.total = 10;
  take();
  store.resetCounters();
  group.total = 4;
  assert.deepEqual(take().counters, { 'cluster.a.total': [4, 4] });
});

test('families are called by their labels, in the namespace of their kind', () => {
  const { store, taker } = given();
  const family = new SeriesFamily('istio_requests_total', 'counter', Series);
  store.addFamily(family);
  family.get([['reporter', 'source']]).value = 2;
  const [counter] = taker.take(1).counters;
  assert.deepEqual(counter, {
    name: {
      full: 'istiocustom.istio_requests_total.reporter.source',
      extracted: 'istiocustom.istio_requests_total',
      tags: [['reporter', 'source']],
    },
    value: 2,
    delta: 2,
  });
});

test('each value of a histogram is told, of those too that come later', () => {
  const { store, group, taker } = given();
  const heard: [string, number][] = [];
  group.time.record(1);
  taker.listen(({ full }: MetricName, value) => heard.push([full, value]));
  group.time.record(12.7);
  const later = new Group();
  store.add('cluster.b.', later);
  later.time.record(-1);
  const family = new SeriesFamily('istio_request_duration_milliseconds', 'histogram', HistogramSeries);
  store.addFamily(family);
  family.get([['reporter', 'source']]).value.record(3);
  assert.deepEqual(heard, [
    ['cluster.a.time', 12],
    ['cluster.b.time', 0],
    ['istiocustom.istio_request_duration_milliseconds.reporter.source', 3],
  ]);
  assert.equal(group.time.count, 2);
});

test('a histogram that nobody listens to has no recording of its own', () => {
  const { group } = given();
  assert.equal(Object.hasOwn(group.time, 'record'), false);
});
