import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DatagramPacker, DOG_TAGS, GRAPHITE_TAGS, statsdFormat } from './statsd-format.ts';

const NAME = {
  full: 'cluster.a.rq_total',
  extracted: 'cluster.rq_total',
  tags: [
    ['cluster', 'a'],
    ['zone', 'z'],
  ] as const,
};

test('metrics are written with tags where a statsd has them', () => {
  assert.equal(statsdFormat('')(NAME, 3, 'c'), 'envoy.cluster.a.rq_total:3|c');
  assert.equal(statsdFormat('own')(NAME, 0, 'g'), 'own.cluster.a.rq_total:0|g');
  assert.equal(statsdFormat('', DOG_TAGS)(NAME, 7, 'ms'), 'envoy.cluster.rq_total:7|ms|#cluster:a,zone:z');
  assert.equal(statsdFormat('', GRAPHITE_TAGS)(NAME, 7, 'ms'), 'envoy.cluster.rq_total;cluster=a;zone=z:7|ms');
  assert.equal(statsdFormat('', DOG_TAGS)({ ...NAME, tags: [] }, 1, 'c'), 'envoy.cluster.rq_total:1|c');
});

test('lines share a datagram up to its size', () => {
  const packed = (maxBytes: number, lines: readonly string[]) => {
    const sent: string[] = [];
    const packer = new DatagramPacker(maxBytes, (text) => sent.push(text));
    for (const line of lines) packer.add(line);
    packer.flush();
    packer.flush();
    return sent;
  };
  assert.deepEqual(packed(0, ['a', 'b']), ['a', 'b']);
  assert.deepEqual(packed(5, ['aa', 'bb', 'c']), ['aa\nbb', 'c']);
  assert.deepEqual(packed(5, ['aa', 'long line', 'b']), ['long line', 'aa\nb']);
  assert.deepEqual(packed(7, ['ü', 'ü', 'ü']), ['ü\nü', 'ü'], 'bytes, not characters');
});
