import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ClusterSchema } from '../../api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { Logging } from '../../base/log.ts';
import { ConfigErrors } from './errors.ts';
import { checkSupported } from './supported.ts';
import { type UnknownFieldPolicy, UnknownFields } from './unknown-fields.ts';

/** Field 9000 with the number 1, as it stands on the wire. */
const NEWER = Buffer.from([0xc0, 0xb2, 0x04, 0x01]);

/** A cluster with an address, both of which have a field that nobody knows yet. */
function newerCluster() {
  const cluster = create(ClusterSchema, {
    name: 'c',
    loadAssignment: { clusterName: 'c', policy: {} },
  });
  cluster.loadAssignment!.policy!.$unknown = [{ no: 9000, wireType: 0, data: new Uint8Array([1]) }];
  return fromBinary(ClusterSchema, Buffer.concat([toBinary(ClusterSchema, cluster), NEWER]));
}

function note(policy: UnknownFieldPolicy, times = 1) {
  const counts = { dynamic_unknown_fields: 0 };
  let text = '';
  const logging = new Logging({ format: 'envoy', stream: { write: (line) => (text += line) } });
  const unknown = new UnknownFields(policy, counts, logging.scope('config'));
  const errors = new ConfigErrors(unknown);
  const table = {
    'envoy.config.cluster.v3.Cluster': ['name', 'load_assignment'],
    'envoy.config.endpoint.v3.ClusterLoadAssignment': ['cluster_name', 'policy'],
    'envoy.config.endpoint.v3.ClusterLoadAssignment.Policy': [],
  };
  for (let i = 0; i < times; i++) checkSupported(ClusterSchema, newerCluster(), table, errors);
  return { count: counts.dynamic_unknown_fields, lines: text.trim().split('\n'), errors: errors.list };
}

test('unknown fields are counted and told once each, with where they are', () => {
  const { count, lines, errors } = note('warn', 3);
  assert.equal(count, 2);
  assert.deepEqual(errors, []);
  assert.deepEqual(
    lines.map((line) => line.replace(/^.*\[config\] /, '')),
    [
      'envoy.config.cluster.v3.Cluster has an unknown field, number 9000: it has no effect',
      'load_assignment.policy: envoy.config.endpoint.v3.ClusterLoadAssignment.Policy has an unknown field, number 9000: it has no effect',
    ],
  );
});

test('or nothing is said of them, or they are what the resource is refused for', () => {
  assert.deepEqual(note('ignore'), { count: 0, lines: [''], errors: [] });
  const { count, lines, errors } = note('reject');
  assert.deepEqual([count, lines], [0, ['']]);
  assert.deepEqual(errors, [
    { path: '', message: 'envoy.config.cluster.v3.Cluster has an unknown field, number 9000' },
    {
      path: 'load_assignment.policy',
      message: 'envoy.config.endpoint.v3.ClusterLoadAssignment.Policy has an unknown field, number 9000',
    },
  ]);
});
