import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readObjects } from '../../config/read.ts';
import type { Service } from '../../explain/describe/subject.ts';
import { ConfigDump } from '../proxy-config/config-dump.ts';
import { factsOf } from './proxy-facts.ts';

const TYPE = 'type.googleapis.com/envoy';
const madeFrom = (kind: string, name: string) => ({
  filterMetadata: { istio: { config: `/apis/networking.istio.io/v1/namespaces/shop/${kind}/${name}` } },
});
const cluster = (name: string, metadata = {}) => ({
  cluster: { '@type': `${TYPE}.config.cluster.v3.Cluster`, name, metadata },
});
const listener = (name: string, port: number, trafficDirection: string, policies: object) => ({
  name,
  activeState: {
    listener: {
      '@type': `${TYPE}.config.listener.v3.Listener`,
      name,
      trafficDirection,
      address: { socketAddress: { address: '127.64.0.2', portValue: port } },
      filterChains: [
        {
          filters: [
            {
              name: 'envoy.filters.network.http_connection_manager',
              typedConfig: {
                '@type': `${TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
                httpFilters: [
                  {
                    name: 'envoy.filters.http.rbac',
                    typedConfig: { '@type': `${TYPE}.extensions.filters.http.rbac.v3.RBAC`, rules: { policies } },
                  },
                ],
              },
            },
          ],
        },
      ],
    },
  },
});
const host = (name: string, route: object) => ({ name: `${name}:80`, domains: [name, `${name}:80`], routes: [route] });

const facts = factsOf(
  new ConfigDump(
    JSON.stringify({
      configs: [
        {
          '@type': `${TYPE}.admin.v3.ClustersConfigDump`,
          dynamicActiveClusters: [
            cluster('outbound|80||web.shop.svc.cluster.local', madeFrom('destination-rule', 'web.v2')),
            cluster('outbound|81||web.shop.svc.cluster.local'),
          ],
        },
        {
          '@type': `${TYPE}.admin.v3.RoutesConfigDump`,
          dynamicRouteConfigs: [
            {
              routeConfig: {
                '@type': `${TYPE}.config.route.v3.RouteConfiguration`,
                name: '80',
                virtualHosts: [
                  host('web.shop.svc.cluster.local', { match: {}, metadata: madeFrom('virtual-service', 'web') }),
                  host('shop.example', {
                    match: {},
                    route: {
                      weightedClusters: { clusters: [{ name: 'outbound|82||api.shop.svc.cluster.local', weight: 1 }] },
                    },
                    metadata: madeFrom('virtual-service', 'outside'),
                  }),
                ],
              },
            },
          ],
        },
        {
          '@type': `${TYPE}.admin.v3.ListenersConfigDump`,
          dynamicListeners: [
            listener('out', 3000, 'OUTBOUND', { wrong: { permissions: [], principals: [] } }),
            listener('in', 3000, 'INBOUND', { 'ns[shop]-policy[b]-rule[0]': {}, 'ns[shop]-policy[a]-rule[0]': {} }),
          ],
        },
      ],
    }),
  ),
);

const service = (name: string) =>
  readObjects(
    `{apiVersion: v1, kind: Service, metadata: {name: ${name}, namespace: shop}, spec: {ports: [{port: 80}]}}`,
    's.yaml',
  ).entries[0]!.object as Service;

test('the objects that a proxy names in its routes and clusters', () => {
  assert.deepEqual(facts.virtualService(service('web'), 80), { namespace: 'shop', name: 'web' });
  assert.equal(facts.virtualService(service('web'), 81), undefined);
  assert.deepEqual(facts.virtualService(service('api'), 82), { namespace: 'shop', name: 'outside' });
  assert.deepEqual(facts.destinationRule(service('web'), 80), { namespace: 'shop', name: 'web.v2' });
  assert.equal(facts.destinationRule(service('web'), 81), undefined);
  assert.equal(facts.destinationRule(service('other'), 80), undefined);
});

test('the policies of an inbound port', () => {
  assert.deepEqual(facts.policies(3000), ['ns[shop]-policy[a]-rule[0]', 'ns[shop]-policy[b]-rule[0]']);
  assert.deepEqual(facts.policies(3001), []);
});
