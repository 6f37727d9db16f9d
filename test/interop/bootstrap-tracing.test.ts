import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { any, cluster, httpListener } from '../support/envoy-config.ts';
import { encodeMessage, exchange } from '../support/raw-http.ts';
import { until, withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, twinProxies } from '../support/twin-proxies.ts';

const TRACE = 'envoy.config.trace.v3';

const ZIPKIN: JsonObject = {
  name: 'envoy.tracers.zipkin',
  typed_config: any(`${TRACE}.ZipkinConfig`, {
    collector_cluster: 'collector',
    collector_endpoint: '/api/v2/spans',
    collector_endpoint_version: 'HTTP_JSON',
  }),
};

const OWN_ZIPKIN: JsonObject = {
  name: 'envoy.tracers.zipkin',
  typed_config: any(`${TRACE}.ZipkinConfig`, {
    collector_cluster: 'collector',
    collector_endpoint: '/own',
    collector_endpoint_version: 'HTTP_JSON',
  }),
};

/** Managers by what they say of tracing. */
const MANAGERS: Readonly<Record<string, JsonObject>> = {
  default: { tracing: {} },
  own: { tracing: { provider: OWN_ZIPKIN } },
  none: {},
};

test("the bootstrap's tracer is that of connection managers that name none", { skip: withoutReference }, async (t) => {
  const names = Object.keys(MANAGERS);
  const twins = await twinProxies(t, {
    listeners: names,
    backends: () => ({ collector: () => encodeMessage('HTTP/1.1 202 Accepted', [], '') }),
    bootstrap: (env) => ({
      node: { id: 'node-id', cluster: 'node-cluster' },
      layered_runtime: { layers: [{ name: 'static', static_layer: { 'tracing.zipkin.min_flush_spans': 1 } }] },
      tracing: { http: ZIPKIN },
      static_resources: {
        listeners: names.map((name) =>
          httpListener(name, { port: env.port(name), log: env.log(name), manager: MANAGERS[name]! }),
        ),
        clusters: [cluster('backend', env.backend('backend')), cluster('collector', env.backend('collector'))],
      },
    }),
  });
  const told = async (twin: Twin) => {
    const seen: string[] = [];
    // The one that traces nothing first: a span of it would be there by the time the others' are.
    for (const name of ['none', 'own', 'default']) {
      await exchange(twin.env.port(name), [requestBytes({ path: `/${name}` })]);
    }
    await until(`${twin.program}: two spans`, () => {
      for (const { startLine, body } of twin.backends.get('collector')!.take()) {
        for (const { kind, localEndpoint, tags } of JSON.parse(String(body))) {
          seen.push(`${startLine} ${kind} ${localEndpoint.serviceName} ${tags['http.url']}`);
        }
      }
      return seen.length >= 2;
    });
    return seen.sort();
  };
  const [theirs, ours] = await Promise.all([told(twins.envoy), told(twins.isthmus)]);
  assert.equal(theirs.length, 2);
  assert.match(theirs[0]!, /^POST \/api\/v2\/spans HTTP\/1.1 SERVER node-cluster .*\/default$/);
  assert.deepEqual(ours, theirs);
});
