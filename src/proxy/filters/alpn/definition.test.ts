import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import {
  type FilterConfig,
  FilterConfigSchema,
  FilterConfig_Protocol as Protocol,
} from '../../../api/gen/istio/envoy/alpn/config_pb.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { ConfigErrors } from '../../config/errors.ts';
import type { FilterBuildContext } from '../../http/filter.ts';
import { UPSTREAM_ALPN } from '../../observe/filter-state.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import type { ChosenCluster } from '../../router/route.ts';
import { alpn } from './definition.ts';

const OVERRIDES = create(FilterConfigSchema, {
  alpnOverride: [
    { upstreamProtocol: Protocol.HTTP10, alpnOverride: ['istio-http/1.0'] },
    { upstreamProtocol: Protocol.HTTP11, alpnOverride: ['istio-http/1.1', 'istio', 'http/1.1'] },
    { upstreamProtocol: Protocol.HTTP2, alpnOverride: ['istio-h2', 'istio', 'h2'] },
  ],
});

/** The ALPN list that the filter leaves for the upstream's TLS. */
function offered(
  cluster: Partial<Cluster> | undefined,
  protocol: StreamInfo['protocol'] = 'HTTP/1.1',
  config: FilterConfig = OVERRIDES,
): unknown {
  const known = cluster && ({ metadata: new Map(), ...cluster } as unknown as Cluster);
  const callbacks = new StubCallbacks({ clusters: { get: () => known } });
  callbacks.info.protocol = protocol;
  callbacks.chosenCluster = { name: 'c' } as ChosenCluster;
  const factory = alpn.compile(config, {} as FilterBuildContext, new ConfigErrors());
  factory.create(callbacks)?.requestHeaders?.(callbacks.requestHeaders, true);
  return callbacks.info.getFilterState(UPSTREAM_ALPN);
}

test('the list is that of the protocol that the cluster will be spoken to in', () => {
  const http1 = ['istio-http/1.1', 'istio', 'http/1.1'];
  const http2 = ['istio-h2', 'istio', 'h2'];
  assert.deepEqual(offered({ http2: false }), http1);
  assert.deepEqual(offered({ http2: true }), http2);
  assert.deepEqual(offered({ http2: false }, 'HTTP/2'), http1);
  assert.deepEqual(offered({ followsDownstreamProtocol: true }, 'HTTP/2'), http2);
  assert.deepEqual(offered({ followsDownstreamProtocol: true }, 'HTTP/1.0'), ['istio-http/1.0']);
});

test('without a cluster, or a list for its protocol, the cluster is left as it is', () => {
  assert.equal(offered(undefined), undefined);
  assert.equal(offered({ http2: true }, 'HTTP/1.1', create(FilterConfigSchema)), undefined);
  const [, http11] = OVERRIDES.alpnOverride;
  assert.equal(offered({ http2: true }, 'HTTP/1.1', create(FilterConfigSchema, { alpnOverride: [http11] })), undefined);
  const empty = create(FilterConfigSchema, { alpnOverride: [{ upstreamProtocol: Protocol.HTTP2, alpnOverride: [] }] });
  assert.equal(offered({ http2: true }, 'HTTP/1.1', empty), undefined);
});

test('a cluster with TLS of its own keeps the ALPN that it has', () => {
  assert.equal(offered({ http2: false, metadata: new Map([['istio', { alpn_override: 'false' }]]) }), undefined);
  const others = new Map([['istio', { alpn_override: 'true' }]]);
  assert.deepEqual(offered({ http2: false, metadata: others }), ['istio-http/1.1', 'istio', 'http/1.1']);
});
