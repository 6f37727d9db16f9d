import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { whyNoUserNamespaces } from '../../src/agent/capture/user-namespace.ts';
import { whyNoIpv6, whyNoNamespaces, whyNoTproxy } from '../../src/local/capture/mesh-network.ts';
import { execute, type Output, TestedMesh } from '../support/local-mesh.ts';
import { scratch, until } from '../support/reference.ts';

/** Programs that know nothing of proxies, each in a network namespace of its own, under STRICT mutual TLS. */

/**
 * HTTP at the first port says who asks, by certificate. The others speak first, as MySQL does, and say from where they
 * were called.
 */
const PROGRAM = `
import http from 'node:http';
import net from 'node:net';
const [name, web, ...others] = process.argv.slice(2);
http.createServer((request, response) => {
  const peer = /URI=([^;,]*)/.exec(request.headers['x-forwarded-client-cert'] ?? '')?.[1];
  response.end(name + ' to ' + peer);
}).listen(Number(web));
for (const port of others) net.createServer((socket) => {
  socket.on('error', () => {});
  socket.write(name + ':' + port + ' to ' + socket.remoteAddress.replace('::ffff:', '') + '\\n');
  socket.once('data', (data) => socket.end('heard ' + data));
}).listen(Number(port));
`;

const pod = (name: string, command: string, { annotations = '{}', more = '', labels = `app: ${name}` } = {}) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: shop}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {${labels}}, annotations: ${annotations}}
    spec:
      serviceAccountName: ${name}
      containers: [{name: main, command: ${command}${more}}]
---
`;

/** What a gateway serves. */
const PUBLIC = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: public, namespace: shop}
spec:
  hosts: [shop.example]
  gateways: [public]
  http: [{route: [{destination: {host: server}}]}]
`;

/** Two services with the same port and no addresses of their own, each before one port of the server. */
const SERVICES = ['first', 'second']
  .map(
    (name, i) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {selector: {app: server}, ipFamilyPolicy: PreferDualStack, ports: [{name: tcp-db, port: 5432, targetPort: ${[7000, 7002][i]}}]}
---
`,
  )
  .join('');

/** A pod that sees who calls it. */
const seer = (program: string) => `
${pod('seer', `[node, ${program}, seer, '9000', '7000']`, {
  annotations: '{sidecar.istio.io/interceptionMode: TPROXY}',
  more: ', ports: [{containerPort: 9000}, {containerPort: 7000}]',
})}
apiVersion: v1
kind: Service
metadata: {name: seer, namespace: shop}
spec: {selector: {app: seer}, ports: [{name: http, port: 80, targetPort: 9000}, {name: tcp, port: 7000}]}
---
`;

const mesh = (program: string, { dualStack, tproxy }: { dualStack: boolean; tproxy: boolean }) => `
${SERVICES}${tproxy ? seer(program) : ''}
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: installed, namespace: istio-system}
spec:
  profile: minimal
  components:
    ingressGateways: [{name: istio-ingressgateway, enabled: true}]
    pilot: {k8s: {env: [{name: ISTIO_DUAL_STACK, value: '${dualStack}'}]}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: six, namespace: shop}
spec:
  hosts: [six.example.com]
  addresses: ['2001:db8::5']
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 3306, targetPort: 7000, name: tcp, protocol: TCP}, {number: 8000, targetPort: 9000, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: server}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
${pod('server', `[node, ${program}, server, '9000', '7000', '7001', '7002']`, {
  annotations: "{traffic.sidecar.istio.io/excludeInboundPorts: '7001'}",
  more: ', ports: [{containerPort: 9000}, {containerPort: 7000}], readinessProbe: {httpGet: {path: /, port: 9000}}',
})}
${pod('client', "[sleep, '3600']", { annotations: "{traffic.sidecar.istio.io/excludeOutboundPorts: '7001,7002'}" })}
${pod(
  'told',
  `[node, -e, "require('http').createServer((q, r) => r.end('told')).listen(process.env.PORT, process.env.HOST)"]`,
  {
    annotations: '{sidecar.istio.io/interceptionMode: NONE}',
    more: ', ports: [{containerPort: 9000}]',
  },
)}
${pod('stranger', "[sleep, '3600']", { labels: "app: stranger, sidecar.istio.io/inject: 'false'" })}
apiVersion: v1
kind: Service
metadata: {name: server, namespace: shop}
spec:
  clusterIP: 10.96.0.10
  selector: {app: server}
  ports: [{name: http, port: 80, targetPort: 9000}, {name: tcp, port: 7000}]
---
apiVersion: v1
kind: Service
metadata: {name: told, namespace: shop}
spec: {selector: {app: told}, ports: [{name: http, port: 80, targetPort: 9000}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: shop}
spec:
  hosts: [db.example.com]
  addresses: [10.97.0.5]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 3306, targetPort: 7000, name: tcp, protocol: TCP}]
  workloadSelector: {labels: {app: server}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cache, namespace: shop}
spec:
  hosts: [cache.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 6379, targetPort: 7000, name: tcp, protocol: TCP}]
  workloadSelector: {labels: {app: server}}
---
${PUBLIC}`;

const CURL = ['curl', '-sS', '-m', '10'];
const WITH_ENTRY = 'server to spiffe://cluster.local/ns/shop/sa/client';

/** What the mesh has made on this machine. */
async function traces(): Promise<string[]> {
  const [namespaces, links] = await Promise.all([
    execute('ip', ['netns', 'list']),
    execute('ip', ['-o', 'link', 'show']),
  ]);
  const found = `${namespaces.stdout}\n${links.stdout}`.split('\n');
  return found.filter((line) => /^isthmus-\d+\.captured\./.test(line));
}

test('programs that know nothing of proxies are in the mesh', async (t) => {
  const reason = await whyNoNamespaces();
  if (reason !== undefined) {
    t.skip(`no network namespaces can be made here: ${reason}`);
    return;
  }
  const folder = scratch(t);
  const program = path.join(folder, 'program.mjs');
  fs.writeFileSync(program, PROGRAM);
  const home = path.join(folder, 'home');
  const noIpv6 = await whyNoIpv6();
  const noTproxy = await whyNoTproxy();
  const can = { dualStack: noIpv6 === undefined, tproxy: noTproxy === undefined };
  const files = { 'mesh.yaml': mesh(program, can) };
  const args = ['--capture', 'netns', '--name', 'captured'];
  const tested = await TestedMesh.start(t, files, { home, args });
  const inPod = (name: string, words: readonly string[]): Promise<Output> =>
    tested.isthmus(['exec', `deploy/${name}`, '-n', 'shop', '--', ...words]);
  const from = async (name: string, words: readonly string[]) => (await inPod(name, words)).stdout.trim();
  const statusOf = async (name: string) => {
    const { stdout } = await tested.isthmus(['get', 'pods', '-n', 'shop', '-l', `app=${name}`, '-o', 'json']);
    return (JSON.parse(stdout) as { items: { status: { podIP: string; podIPs: { ip: string }[] } }[] }).items[0]!
      .status;
  };
  const addressOf = async (name: string) => (await statusOf(name)).podIP;
  /** What servers answer that speak first, one after the other. */
  const greet = async (name: string, ...places: readonly string[]) => {
    const curls = places.map((place) => `echo hi | ${CURL.join(' ')} telnet://${place}; echo END`);
    return (await inPod(name, ['sh', '-c', curls.join('\n')])).stdout.split(/\n?END\n/).slice(0, -1);
  };
  const [server, client] = [await addressOf('server'), await addressOf('client')];

  await t.test('HTTP by every name and by the address of the service, with the identity of the caller', async () => {
    const hosts = ['server', 'server.shop', 'server.shop.svc.cluster.local', '10.96.0.10'];
    const urls = hosts.map((host) => `http://${host}/`);
    assert.deepEqual(
      (await from('client', [...CURL, '-w', '\n', ...urls])).split('\n'),
      urls.map(() => WITH_ENTRY),
    );
  });

  await t.test('a server that speaks first, by its Service and by ServiceEntries', async () => {
    const places = [
      'server:7000',
      '10.96.0.10:7000',
      '10.97.0.5:3306',
      'db.example.com:3306',
      'cache.example.com:6379',
    ];
    assert.deepEqual(
      await greet('client', ...places),
      places.map(() => 'server:7000 to 127.0.0.6\nheard hi'),
    );
  });

  await t.test('under TPROXY a program sees who calls it', { skip: noTproxy }, async () => {
    assert.deepEqual(await greet('client', 'seer:7000'), [`seer:7000 to ${client}\nheard hi`]);
    assert.equal(await from('client', [...CURL, 'http://seer/']), WITH_ENTRY.replace('server', 'seer'));
    const seen = `http://${await addressOf('seer')}:9000/`;
    assert.match((await inPod('stranger', [...CURL, seen])).stderr, /Empty reply|reset by peer/);
  });

  await t.test('IPv6, where the mesh has dual stack', { skip: noIpv6 }, async () => {
    assert.deepEqual(await greet('client', '[2001:db8::5]:3306', 'six.example.com:3306'), [
      'server:7000 to 127.0.0.6\nheard hi',
      'server:7000 to 127.0.0.6\nheard hi',
    ]);
    assert.equal(await from('client', [...CURL, 'http://six.example.com:8000/']), WITH_ENTRY);
    // What comes in over IPv6 is captured as well: in clear it is refused.
    const [, { ip } = { ip: 'none' }] = (await statusOf('server')).podIPs;
    assert.match((await inPod('stranger', [...CURL, `http://[${ip}]:9000/`])).stderr, /Empty reply|reset by peer/);
    // A service of both families finds a pod at both of its addresses, any other at one.
    const dump = await from('client', [...CURL, 'http://127.0.0.1:15000/config_dump?include_eds']);
    const found = dump.split(/"cluster_name": ?/).filter((text) => text.includes(`"${ip}"`));
    const names = found.flatMap((text) => /^"outbound\|\d+\|\|([^."]+)/.exec(text)?.[1] ?? []);
    const services = new Set(names.filter((name) => ['first', 'second', 'server'].includes(name)));
    assert.deepEqual([...services].sort(), ['first', 'second']);
  });

  await t.test('services without addresses get some, so that each is told from the others on its port', async () => {
    const names = ['first', 'second.shop.svc.cluster.local', 'first.shop', 'second'];
    assert.deepEqual(
      await greet('client', ...names.map((name) => `${name}:5432`)),
      [7000, 7002, 7000, 7002].map((port) => `server:${port} to 127.0.0.6\nheard hi`),
    );
  });

  await t.test('names are answered: of services, of ServiceEntries with and without addresses', async () => {
    const names = ['server', 'db.example.com', 'cache.example.com'];
    const look = `for (const n of ${JSON.stringify(names)}) require('dns').lookup(n, 4, (e, a) => console.log(n, e?.code ?? a))`;
    const answers = (await from('client', ['node', '-e', look])).split('\n').sort();
    assert.match(answers[0]!, /^cache\.example\.com 240\.240\.\d+\.\d+$/);
    assert.deepEqual(answers.slice(1), ['db.example.com 10.97.0.5', 'server 10.96.0.10']);
  });

  await t.test('an excluded port bypasses the sidecar: of the caller, and of the one that is called', async () => {
    const [both, caller] = await greet('client', `${server}:7001`, `${server}:7002`);
    assert.equal(both, `server:7001 to ${client}\nheard hi`);
    assert.equal(caller, '', 'in clear, at a sidecar that is STRICT');
  });

  await t.test('who has no sidecar is refused, from a pod and from this machine', async () => {
    assert.match((await inPod('stranger', [...CURL, `http://${server}:9000/`])).stderr, /Empty reply|reset by peer/);
    assert.match((await tested.curl([`http://${server}:9000/`])).stderr, /Empty reply|reset by peer/);
  });

  await t.test('a pod may keep to explicit capture', async () => {
    assert.equal(await from('client', [...CURL, 'http://told/']), 'told');
  });

  await t.test('a gateway leads to them', async () => {
    const { stdout } = await tested.curl(['-H', 'host: shop.example', `http://${tested.gateway(80)}/`]);
    assert.match(stdout, /^server to spiffe:\/\/cluster\.local\/ns\/istio-system\//);
  });

  await t.test('names that a gateway serves lead programs to it, as they would from outside', async () => {
    assert.match(await from('client', [...CURL, 'http://shop.example/']), /^server to .*\/ns\/istio-system\//);
  });

  await t.test('a program at a terminal, captured like the others or told of its sidecar', async () => {
    const run = (more: readonly string[]) =>
      tested.isthmus(['run', '-n', 'shop', '--service-account', 'client', ...more, '--', ...CURL, 'http://server/']);
    for (const more of [
      ['--capture', 'netns'],
      ['--capture', 'explicit'],
    ])
      assert.deepEqual(await run(more), { code: 0, stdout: WITH_ENTRY, stderr: '' }, more.join(' '));
  });

  await t.test('what the mesh says of them', async () => {
    const { stdout } = await tested.isthmus(['proxy-config', 'listener', 'deploy/server.shop', '--port', '15006']);
    assert.match(stdout, noIpv6 === undefined ? /^0\.0\.0\.0,:: +15006 /m : /^0\.0\.0\.0 +15006 /m);
    assert.match((await tested.isthmus(['status'])).stdout, new RegExp(`server-\\S+ +2/2 +Running .* ${server} `));
  });

  await t.test('a mesh that was killed leaves namespaces; the next start removes them', async () => {
    assert.notDeepEqual(await traces(), []);
    tested.process.kill('SIGKILL');
    await tested.ended;
    await until('the processes are gone', () => tested.processes().length === 0);
    const before = await traces();
    assert.notDeepEqual(before, []);
    const next = await TestedMesh.start(t, { 'mesh.yaml': pod('lone', "[sleep, '3600']") }, { home, args });
    assert.match(next.stdout, /removed \d+ interfaces and namespaces of meshes that were killed/);
    const left = await traces();
    assert.deepEqual(
      left.filter((line) => before.includes(line) || !line.includes('.shop.lone-')),
      [],
    );
    assert.equal(left.length, 1);
    assert.equal(await next.stop(), 0);
    assert.deepEqual(await traces(), []);
  });
});

const small = (program: string) => `
${PUBLIC}---
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: installed, namespace: istio-system}
spec: {profile: minimal, components: {ingressGateways: [{name: istio-ingressgateway, enabled: true}]}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
${pod('server', `[node, ${program}, server, '80', '7000', '7001']`, {
  more: ', ports: [{containerPort: 80}], readinessProbe: {httpGet: {path: /, port: 80}}',
})}
${pod('client', "[sleep, '3600']")}
apiVersion: v1
kind: Service
metadata: {name: server, namespace: shop}
spec:
  selector: {app: server}
  ports: [{name: http, port: 80}, {name: tcp, port: 7000}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: shop}
spec:
  hosts: [db.example.com]
  addresses: [10.97.0.5]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 3306, targetPort: 7000, name: tcp, protocol: TCP}]
  workloadSelector: {labels: {app: server}}
`;

test('the same without root, with the sidecars outside the networks of the programs', async (t) => {
  const reason = await whyNoUserNamespaces();
  if (reason !== undefined) {
    t.skip(`no user namespaces can be made here: ${reason}`);
    return;
  }
  const program = path.join(scratch(t), 'program.mjs');
  fs.writeFileSync(program, PROGRAM);
  const tested = await TestedMesh.start(t, { 'mesh.yaml': small(program) }, { args: ['--capture', 'userns'] });
  const inClient = async (script: string) => {
    const { stdout } = await tested.isthmus(['exec', 'deploy/client', '-n', 'shop', '--', 'sh', '-c', script]);
    return stdout;
  };
  const curl = CURL.join(' ');

  await t.test('HTTP and a server that speaks first, by names and by addresses', async () => {
    assert.equal(await inClient(`${curl} http://server/`), WITH_ENTRY);
    const greetings = await inClient(
      ['server:7000', '10.97.0.5:3306', 'db.example.com:3306']
        .map((to) => `echo hi | ${curl} telnet://${to}`)
        .join('\n'),
    );
    assert.equal(greetings, 'server:7000 to 127.0.0.6\nheard hi\n'.repeat(3));
  });

  await t.test('names that a gateway serves', async () => {
    assert.match(await inClient(`${curl} http://shop.example/`), /^server to .*\/ns\/istio-system\//);
  });

  await t.test('a port that nobody has declared is reached when a program listens there', async () => {
    const late = `apiVersion: v1
kind: Service
metadata: {name: late, namespace: shop}
spec: {selector: {app: server}, ports: [{name: tcp-open, port: 7001}, {name: tcp-closed, port: 7002}]}`;
    assert.equal((await tested.isthmus(['apply', '-f', '-'], late)).code, 0);
    const ask = (port: number) => inClient(`echo hi | ${curl} telnet://late:${port}`);
    const greeting = 'server:7001 to 127.0.0.6\nheard hi\n';
    await until('it is reached', async () => (await ask(7001)) === greeting);
    assert.equal(await ask(7002), '');
    const { stdout } = await tested.isthmus(['get', 'pods', '-n', 'shop', '-l', 'app=server', '-o', 'json']);
    const { podIP } = (JSON.parse(stdout) as { items: { status: { podIP: string } }[] }).items[0]!.status;
    assert.match((await tested.curl([`http://${podIP}:7001/`])).stderr, /Empty reply|reset by peer/);
  });

  await t.test('nothing gets past the sidecar', async () => {
    // The way that nobody captures: a datagram.
    const script = `node -e "const s = require('dgram').createSocket('udp4'); s.send('x', 9, '192.0.2.1', (e) => { console.log(e ? e.code : 'sent'); s.close(); })"`;
    assert.match(await inClient(script), /^(EPERM|ECONNREFUSED)\n$/);
  });

  await t.test('a sidecar that is killed makes another network, and the programs come into it', async () => {
    const status = async () => {
      const { stdout } = await tested.isthmus(['get', 'pods', '-n', 'shop', '-l', 'app=server', '--no-headers']);
      return stdout.trim().split(/\s+/);
    };
    const before = tested.processes();
    const agent = before.find((pid) => {
      const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
      return words.includes('sidecar') && fs.readlinkSync(`/proc/${pid}/cwd`).includes('.server-');
    });
    process.kill(agent!, 'SIGKILL');
    await until('it was started again', async () => Number((await status())[3]) > 0 && (await status())[1] === '2/2');
    await until('it answers', async () => (await inClient(`${curl} http://server/`)) === WITH_ENTRY);
  });

  assert.equal(await tested.stop(), 0);
  await until('no process is left', () => tested.processes().length === 0);
});
