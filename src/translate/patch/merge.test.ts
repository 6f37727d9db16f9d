import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { FilterSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { EchoSchema } from '../../api/gen/envoy/extensions/filters/network/echo/v3/echo_pb.ts';
import { TcpProxySchema } from '../../api/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts';
import { filter } from '../proto/any.ts';
import { isOfSameType } from './merge.ts';

const tcp = (statPrefix: string) => create(FilterSchema, filter('tcp', TcpProxySchema, { statPrefix }));
const echo = () => create(FilterSchema, filter('echo', EchoSchema, {}));

test('a patch that names no filter is for those of its own type', () => {
  assert.equal(isOfSameType(tcp('a'), tcp('b')), true);
  assert.equal(isOfSameType(echo(), tcp('b')), false);
  assert.equal(isOfSameType(create(FilterSchema, { name: 'bare' }), tcp('b')), false);
  assert.equal(isOfSameType(tcp('a'), undefined), false);
});
