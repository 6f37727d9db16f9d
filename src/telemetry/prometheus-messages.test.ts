import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMetricFamily, type MetricValue } from './prometheus-messages.ts';

/** What is in field `number` of a message; shorter than 128 bytes. */
const field = (number: number, hex: string) =>
  ((number << 3) | 2).toString(16).padStart(2, '0') + (hex.length / 2).toString(16).padStart(2, '0') + hex;

const NAME = field(1, '6e');
const TIME = '3005';
const ZERO = '0000000000000000';
const ONE = '000000000000f03f';
const NAN = '000000000000f87f';

const TABLE: readonly { readonly what: string; readonly value: MetricValue; readonly bytes: string }[] = [
  {
    what: 'a counter of 0 is written out',
    value: { type: 'counter', value: 0 },
    bytes: `1800${field(4, field(3, `09${ZERO}`) + TIME)}`,
  },
  {
    what: 'a gauge',
    value: { type: 'gauge', value: 1 },
    bytes: `1801${field(4, field(2, `09${ONE}`) + TIME)}`,
  },
  {
    what: 'a histogram has its bounds with what is up to there',
    value: { type: 'histogram', count: 2, sum: 1, buckets: [[1, 2]] },
    bytes: `1804${field(4, field(7, `080211${ONE}${field(3, `080211${ONE}`)}`) + TIME)}`,
  },
  {
    what: 'a summary has its shares with their values',
    value: { type: 'summary', count: 0, sum: 0, quantiles: [[1, Number.NaN]] },
    bytes: `1802${field(4, field(4, `080011${ZERO}${field(3, `09${ONE}11${NAN}`)}`) + TIME)}`,
  },
];

for (const { what, value, bytes } of TABLE) {
  test(what, () => assert.equal(Buffer.from(encodeMetricFamily('n', [], 5, value)).toString('hex'), NAME + bytes));
}

test('labels come before the value', () => {
  const bytes = encodeMetricFamily('n', [['a', 'b']], 5, { type: 'gauge', value: 1 });
  const label = field(1, field(1, '61') + field(1, '62').replace(/^0a/, '12'));
  assert.equal(Buffer.from(bytes).toString('hex'), `${NAME}1801${field(4, label + field(2, `09${ONE}`) + TIME)}`);
});
