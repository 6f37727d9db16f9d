import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { MongoProxySchema } from '../../../api/gen/envoy/extensions/filters/network/mongo_proxy/v3/mongo_proxy_pb.ts';
import { ConfigErrors } from '../../config/errors.ts';
import type { NetworkBuildContext, NetworkFilterCallbacks } from '../../net/network-filter.ts';
import { mongoProxy } from './definition.ts';

test('everything passes, and it is said that nothing is counted', () => {
  const lines: string[] = [];
  const context = {
    worker: { log: { warn: (line: string) => lines.push(line) } },
    listener: { name: '0.0.0.0_27017' },
  } as unknown as NetworkBuildContext;
  const factory = mongoProxy.compile(create(MongoProxySchema, { statPrefix: 'db' }), context, new ConfigErrors());
  assert.equal(factory.terminal, false);
  const filter = factory.create({} as NetworkFilterCallbacks);
  assert.deepEqual(Object.keys(filter ?? { none: true }), [], 'a filter without methods is asked nothing');
  assert.deepEqual(lines, ['listener 0.0.0.0_27017: commands of MongoDB pass, but are not counted as mongo.db.*']);
});
