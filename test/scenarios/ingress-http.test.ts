import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import {
  apply,
  backend,
  byName,
  curl,
  gateway,
  meshFiles,
  routeTo,
  service,
  virtualService,
} from '../support/ingress.ts';
import { underLoad } from '../support/load.ts';
import { HttpClient } from '../support/load-clients.ts';
import { execute, TestedMesh } from '../support/local-mesh.ts';
import { referenceProgram, scratch, withoutReference } from '../support/reference.ts';

const GATEWAY_POD = 'deploy/istio-ingressgateway.istio-system';
const HTTP = { port: 80, protocol: 'HTTP', name: 'http' };
const HOST = 'api.example.com';

/** What istioctl 1.31 prints of a gateway that serves nothing. */
const NO_LISTENERS = `ADDRESSES PORT  MATCH DESTINATION
0.0.0.0   15021 ALL   Inline Route: /healthz/ready*
0.0.0.0   15090 ALL   Inline Route: /stats/prometheus*
`;
const NO_ROUTES = `NAME     VHOST NAME     DOMAINS     MATCH                  VIRTUAL SERVICE
         backend        *           /stats/prometheus*     
         backend        *           /healthz/ready*        
`;

test('ingress of HTTP: nothing, a Gateway, a VirtualService, an Ingress beside them', async (t) => {
  const mesh = await TestedMesh.start(t, meshFiles(backend('web', 'v1'), service('web')));
  const url = `http://${mesh.gateway(80)}/`;
  const show = async (...args: string[]) => (await mesh.isthmus(['proxy-config', ...args])).stdout;

  await t.test('without a Gateway there are the listeners of every proxy, and nothing is served', async () => {
    assert.equal(await show('listener', GATEWAY_POD), NO_LISTENERS);
    assert.equal(await show('route', GATEWAY_POD), NO_ROUTES);
    assert.equal((await curl(mesh, url)).code, 7, 'the connection is refused');
  });

  await t.test('as istioctl shows it', { skip: withoutReference }, async () => {
    const dump = path.join(scratch(t), 'dump.json');
    fs.writeFileSync(dump, await show('all', GATEWAY_POD, '-o', 'json'));
    for (const [what, expected] of [
      ['listener', NO_LISTENERS],
      ['route', NO_ROUTES],
    ] as const) {
      const { stdout } = await execute(referenceProgram('istioctl'), ['proxy-config', what, '--file', dump]);
      assert.equal(stdout, expected);
    }
  });

  // What stands beside all that comes and goes: its clients are never to notice.
  const steadyUrl = `http://${mesh.gateway(8085)}/`;
  await apply(
    mesh,
    gateway('steady', { ...HTTP, port: 8085, hosts: ['steady.example.com'] }),
    virtualService('steady', 'steady.example.com', 'steady', routeTo('web')),
  );
  const steady = () => new HttpClient({ url: steadyUrl, host: 'steady.example.com' });
  const client = (host = HOST, path_ = '') => new HttpClient({ url: `${url}${path_}`, host });

  await t.test('a Gateway alone opens the port and answers 404', async () => {
    await underLoad(steady(), async (load) => {
      await load.change({
        make: () => apply(mesh, gateway('edge', { ...HTTP, hosts: [HOST] })),
        sees: '404',
        by: client(),
      });
      assert.deepEqual([...load.answers.keys()], ['200']);
    });
    assert.match(await show('listener', GATEWAY_POD), /^0\.0\.0\.0 +8080 +ALL +Route: http\.8080$/m);
    assert.match(await show('route', GATEWAY_POD), /^http\.8080 +blackhole:80 +\* +\/\* +404$/m);
    const [config] = JSON.parse(await show('route', GATEWAY_POD, '--name', 'http.8080', '-o', 'json'));
    assert.deepEqual(config.virtualHosts, [{ name: 'blackhole:80', domains: ['*'] }]);
    for (const host of [HOST, 'other.example.com']) {
      const { status, body } = await curl(mesh, '-H', `Host: ${host}`, url);
      assert.deepEqual([status, body], [404, ''], host);
    }
  });

  await t.test('a VirtualService serves its host, and no other', async () => {
    await underLoad(client(), async (load) => {
      await load.change({
        make: () => apply(mesh, virtualService('web', HOST, 'edge', routeTo('web'))),
        sees: '200',
      });
      assert.deepEqual([...load.answers.keys()], ['404', '200']);
    });
    const { status, body, headers } = await curl(mesh, '-H', `Host: ${HOST}`, `${url}items?a=b`);
    assert.equal(status, 200, headers);
    const { path: asked, headers: sent } = JSON.parse(body);
    assert.equal(asked, '/items?a=b');
    assert.equal(sent.host, HOST);
    assert.equal(sent['x-forwarded-proto'], 'http');
    assert.match(sent['x-request-id'], /^[0-9a-f-]{36}$/);
    assert.match(headers, /^server: istio-envoy\r?$/m);
    for (const host of ['other.example.com', `sub.${HOST}`, mesh.gateway(80), mesh.address]) {
      assert.equal((await curl(mesh, '-H', `Host: ${host}`, url)).status, 404, host);
    }
    assert.equal((await curl(mesh, url)).status, 404, 'the address as Host');
    assert.equal((await curl(mesh, ...byName(mesh, 80, HOST))).status, 200, 'with a port in the Host');
  });

  await t.test('hosts and routes come and go', async () => {
    await underLoad(client(), async (load) => {
      for (let round = 1; round <= 3; round++) {
        const host = `more-${round}.example.com`;
        await load.change({
          make: () =>
            apply(
              mesh,
              gateway('edge', { ...HTTP, hosts: [HOST, host] }),
              virtualService('more', host, 'edge', routeTo('web')),
            ),
          sees: '200',
          by: client(host),
        });
      }
      // A route that is new to those who are under load: 418 for a path of its own, and 200 as before.
      const tea = { match: [{ uri: { exact: '/tea' } }], directResponse: { status: 418 } };
      await load.change({
        make: () => apply(mesh, virtualService('web', HOST, 'edge', { http: [tea, ...routeTo('web').http] })),
        sees: '418',
        by: client(HOST, 'tea'),
      });
    });
  });

  await t.test('a host goes and comes again: 404 between', async () => {
    await underLoad(client(), async (load) => {
      await load.change({
        make: () => apply(mesh, virtualService('web', `moved.${HOST}`, 'edge', routeTo('web'))),
        sees: '404',
      });
      await load.change({
        make: () => apply(mesh, virtualService('web', HOST, 'edge', routeTo('web'))),
        sees: '200',
      });
    });
  });

  await t.test('an Ingress serves the same service beside the Gateway', async () => {
    const host = 'ingress.example.com';
    const rules = [
      {
        host,
        http: {
          paths: [
            { path: '/items', pathType: 'Prefix', backend: { service: { name: 'web', port: { name: 'http' } } } },
          ],
        },
      },
    ];
    const ingress = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'web', annotations: { 'kubernetes.io/ingress.class': 'istio' } },
      spec: { rules },
    };
    const ask = async (path_: string) => (await curl(mesh, '-H', `Host: ${host}`, `${url}${path_}`)).status;
    await underLoad(client(), async (load) => {
      await load.change({
        make: () => apply(mesh, JSON.stringify(ingress)),
        sees: '200',
        by: client(host, 'items'),
      });
      assert.deepEqual([await ask('items'), await ask('items/1')], [200, 200]);
      assert.match((await mesh.isthmus(['status'])).stdout, /^istio-ingressgateway +80 +.*\bingress\.example\.com\b/m);
      assert.deepEqual([await ask('itemsx'), await ask('')], [404, 404], 'prefixes end at a slash');
      await load.change({
        make: async () => assert.equal((await mesh.isthmus(['delete', 'ingress', 'web', '--wait'])).code, 0),
        sees: '404',
        by: client(host, 'items'),
      });
      assert.deepEqual([...load.answers.keys()], ['200'], 'the Gateway serves its host all the time');
    });
  });
});
