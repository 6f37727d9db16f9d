import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clusterEnv, formatClusterEnv, parseClusterEnv } from './cluster-env.ts';
import { joiningGroup } from './joining-group.ts';

const options = { istioNamespace: 'istio-system', revision: '' };

describe('cluster.env', () => {
  test('what is written is read again', () => {
    const env = { A: '', B: "it's", C: 'a "b" $c \\', D: '{"x":1}' };
    assert.deepEqual(parseClusterEnv(formatClusterEnv(env)), env);
  });

  const lines: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['# comment', {}],
    ['A=b', { A: 'b' }],
    ['export A="b c"', { A: 'b c' }],
    ['A="b \\"c\\""', { A: 'b "c"' }],
    ['not a variable', {}],
  ];
  for (const [text, expected] of lines) test(text, () => assert.deepEqual(parseClusterEnv(text), expected));

  test('the status port is excluded once, whichever it is', () => {
    const group = joiningGroup('a', 'b', undefined, { template: {} });
    const excluded = (statusPort?: number) => clusterEnv(group, { statusPort }, options).ISTIO_LOCAL_EXCLUDE_PORTS;
    assert.deepEqual(
      [excluded(), excluded(15021), excluded(9000)],
      ['22,15090,15021,15020', '22,15090,15021', '22,15090,15021,9000'],
    );
  });
});
