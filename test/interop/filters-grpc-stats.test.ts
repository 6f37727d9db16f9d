import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { cluster, HTTP2, httpListener, named } from '../support/envoy-config.ts';
import { grpcTestServer } from '../support/grpc-server.ts';
import { exchange } from '../support/raw-http.ts';
import { referenceProgram, withoutReference } from '../support/reference.ts';
import { requestBytes, type Twin, twinProxies } from '../support/twin-proxies.ts';

const SERVICE = { name: 'grpc.testing.TestService', method_names: ['UnaryCall', 'StreamingOutputCall'] };
const CONFIGURATIONS: Readonly<Record<string, JsonObject>> = {
  plain: {},
  istio: { emit_filter_state: true, stats_for_all_methods: false },
  every: { stats_for_all_methods: true },
  dots: { stats_for_all_methods: true, replace_dots_in_grpc_service_name: true },
  some: { individual_method_stats_allowlist: { services: [SERVICE] } },
};
const NAMES = Object.keys(CONFIGURATIONS);
// Not those that are answered before their message has come: what is counted of it then is chance.
const CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'status_code_and_message',
  'cancel_after_first_response',
];

test('calls are counted as Envoy counts them', { skip: withoutReference }, async (t) => {
  const twins = await twinProxies(t, {
    listeners: NAMES,
    servers: { grpc: grpcTestServer },
    bootstrap: (env) => ({
      static_resources: {
        listeners: NAMES.map((name) =>
          httpListener(name, {
            port: env.port(name),
            log: env.log(name),
            filters: [named('envoy.filters.http.grpc_stats', 'http.grpc_stats.v3.FilterConfig', CONFIGURATIONS[name])],
            routes: [{ match: { prefix: '/' }, route: { cluster: name } }],
          }),
        ),
        clusters: NAMES.map((name) => cluster(name, env.backend('grpc'), HTTP2)),
      },
    }),
  });
  const stats = async (twin: Twin) => {
    for (const name of NAMES) {
      const port = twin.env.port(name);
      for (const one of CASES) {
        const args = ['-server_host', '127.0.0.1', '-server_port', String(port), '-test_case', one];
        await new Promise<void>((resolve, reject) => {
          execFile(referenceProgram('grpc-interop-client'), args, (error) => (error ? reject(error) : resolve()));
        });
      }
      // Not a call, though to a method's path.
      await exchange(port, [requestBytes({ path: '/grpc.testing.TestService/UnaryCall' })]);
    }
    const lines = (await twin.admin('/stats')).split('\n');
    return lines.filter((line) => /^cluster\.\w+\.grpc\./.test(line)).sort();
  };
  const [envoy, isthmus] = [await stats(twins.envoy), await stats(twins.isthmus)];
  assert.deepEqual(isthmus, envoy);
  for (const name of NAMES) {
    assert.ok(
      envoy.some((line) => line.startsWith(`cluster.${name}.`)),
      name,
    );
  }
});
