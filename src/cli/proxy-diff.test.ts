import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareDumps } from './proxy-diff.ts';

const ADMIN = 'type.googleapis.com/envoy.admin.v3.';

function dump(timeout: string, route: object, names: readonly string[] = ['b', 'a']): string {
  const clusters = names.map((name) => ({
    version_info: timeout,
    cluster: { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', name, connect_timeout: timeout },
  }));
  const config = { '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration', name: '80' };
  return JSON.stringify({
    configs: [
      { '@type': `${ADMIN}ClustersConfigDump`, dynamic_active_clusters: clusters },
      { '@type': `${ADMIN}ListenersConfigDump` },
      { '@type': `${ADMIN}RoutesConfigDump`, dynamic_route_configs: [{ ...route, route_config: config }] },
    ],
  });
}

test('what is the same matches, whatever its order, versions and times', () => {
  const envoy = dump('10s', { last_updated: '2026-01-02T03:04:05Z' }, ['a', 'b']);
  assert.equal(
    compareDumps(dump('10s', {}), envoy),
    'Clusters Match\nListeners Match\nRoutes Match (RDS last loaded at Fri, 02 Jan 2026 03:04:05 UTC)\n',
  );
});

test('what differs is shown with what stands around it', () => {
  const text = compareDumps(dump('10s', {}), dump('5s', {}));
  assert.match(text, /^Clusters Don't Match\n--- Istiod Clusters\n\+\+\+ Envoy Clusters\n@@ /);
  assert.match(text, /\n {4}"name": "a",\n-{1} {3}"connectTimeout": "10s"\n\+ {3}"connectTimeout": "5s"\n/);
  assert.match(text, /\nListeners Match\nRoutes Match\n$/);
});

test('a section that one side does not have is empty there', () => {
  assert.match(compareDumps(dump('10s', {}), '{"configs": []}'), /^Clusters Don't Match\n.*\nRoutes Don't Match\n/s);
});
