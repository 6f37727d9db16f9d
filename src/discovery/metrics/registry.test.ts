import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsRegistry } from './registry.ts';

test('the text format: sorted, escaped, with what is asked for at scrape time', () => {
  const metrics = new MetricsRegistry();
  const pushes = metrics.counter('pushes', 'Pushes\nby \\ type.');
  const proxies = metrics.gauge('proxies', 'Proxies.');
  metrics.gauge('silent', 'Never set.');
  let uptime = 1.5;
  metrics.observed('uptime', 'Seconds.', () => uptime);
  metrics.observed('by_version', 'Versions.', () => [
    [{ version: '1' }, 2],
    [{ version: '2' }, Number.POSITIVE_INFINITY],
  ]);
  pushes.add(2, { type: 'cds', node: 'a"b\\c\nd' });
  pushes.add(1, { type: 'cds', node: 'a"b\\c\nd' });
  proxies.set(4);
  proxies.add(-1);
  assert.equal(
    metrics.text(),
    [
      '# HELP by_version Versions.',
      '# TYPE by_version gauge',
      'by_version{version="1"} 2',
      'by_version{version="2"} +Inf',
      '# HELP proxies Proxies.',
      '# TYPE proxies gauge',
      'proxies 3',
      '# HELP pushes Pushes\\nby \\\\ type.',
      '# TYPE pushes counter',
      'pushes{type="cds",node="a\\"b\\\\c\\nd"} 3',
      '# HELP uptime Seconds.',
      '# TYPE uptime gauge',
      'uptime 1.5',
      '',
    ].join('\n'),
  );
  uptime = 2;
  assert.match(metrics.text(), /^uptime 2$/m);
  assert.equal(proxies.get(), 3);
  proxies.clear();
  pushes.clear({ type: 'cds', node: 'a"b\\c\nd' });
  assert.doesNotMatch(metrics.text(), /proxies|pushes/);
});

test('a histogram counts what lies up to each bound', () => {
  const metrics = new MetricsRegistry();
  const time = metrics.histogram('time', 'Seconds.', [0.1, 1, 3]);
  for (const value of [0.05, 0.1, 0.5, 4]) time.observe(value);
  time.observe(2, { type: 'cds' });
  assert.equal(
    metrics.text(),
    [
      '# HELP time Seconds.',
      '# TYPE time histogram',
      'time_bucket{le="0.1"} 2',
      'time_bucket{le="1"} 3',
      'time_bucket{le="3"} 3',
      'time_bucket{le="+Inf"} 4',
      'time_sum 4.65',
      'time_count 4',
      'time_bucket{type="cds",le="0.1"} 0',
      'time_bucket{type="cds",le="1"} 0',
      'time_bucket{type="cds",le="3"} 1',
      'time_bucket{type="cds",le="+Inf"} 1',
      'time_sum{type="cds"} 2',
      'time_count{type="cds"} 1',
      '',
    ].join('\n'),
  );
});

test('a name can be taken once', () => {
  const metrics = new MetricsRegistry();
  metrics.counter('a', '');
  assert.throws(() => metrics.gauge('a', ''), /the metric a is there already/);
});
