import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMetric, type MetricPoint, Temporality } from './metrics.ts';

/** Field `number` of wire type 2; shorter than 128 bytes. */
const field = (number: number, hex: string) =>
  ((number << 3) | 2).toString(16).padStart(2, '0') + (hex.length / 2).toString(16).padStart(2, '0') + hex;

const NAME = field(1, '6e');
const word = (value: string) => value.padEnd(16, '0');
/** start_time_unix_nano 1, time_unix_nano 2. */
const TIMES = `11${word('01')}19${word('02')}`;
/** a=b, as a KeyValue. */
const PAIR = field(1, '61') + field(2, field(1, '62'));
const ONE = '000000000000f03f';

const TABLE: readonly { readonly what: string; readonly point: MetricPoint; readonly bytes: string }[] = [
  {
    what: 'a gauge',
    point: { type: 'gauge', value: 5 },
    bytes: field(5, field(1, `${TIMES}31${word('05')}${field(7, PAIR)}`)),
  },
  {
    what: 'a counter is a sum that only grows',
    point: { type: 'sum', value: 5, temporality: Temporality.Delta },
    bytes: field(7, `${field(1, `${TIMES}31${word('05')}${field(7, PAIR)}`)}10011801`),
  },
  {
    what: 'a histogram has one count more than bounds',
    point: {
      type: 'histogram',
      temporality: Temporality.Cumulative,
      count: 3,
      sum: 1,
      bounds: [1],
      counts: [1, 2],
    },
    bytes: field(
      9,
      `${field(1, `${TIMES}21${word('03')}29${ONE}${field(6, word('01') + word('02'))}${field(7, ONE)}${field(9, PAIR)}`)}1002`,
    ),
  },
];

for (const { what, point, bytes } of TABLE) {
  test(what, () => {
    const encoded = encodeMetric('n', [['a', 'b']], { start: 1n, now: 2n }, point);
    assert.equal(Buffer.from(encoded).toString('hex'), NAME + bytes);
  });
}
