// How long it takes from a change of a file to changed behaviour of a real Envoy, and what it costs the control plane:
//   node bench/discovery-latency.ts [--services 1,1000] [--rounds 100] [--control isthmus,istiod]
// Needs REFERENCE_BIN, and a build in dist. One gateway; a round points its route at the other of two services, or moves
// an endpoint, and asks over one kept connection until the answer is the new one.
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { VANILLA } from '../test/support/mesh-yaml.ts';
import { freePort } from './proxy/machine.ts';

const { values } = parseArgs({
  options: {
    services: { type: 'string', default: '1,1000' },
    rounds: { type: 'string', default: '100' },
    control: { type: 'string', default: 'isthmus,istiod' },
    kind: { type: 'string', default: 'route,endpoint' },
  },
});

const ROOT = path.join(import.meta.dirname, '..');
const bin = (name: string) => path.join(process.env.REFERENCE_BIN ?? '', name);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-bench-'));
const children: ChildProcess[] = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  fs.rmSync(folder, { recursive: true, force: true });
});

function start(command: string, args: string[], log: string, env = {}): ChildProcess {
  const fd = fs.openSync(path.join(folder, log), 'w');
  const child = spawn(command, args, { stdio: ['ignore', fd, fd], cwd: folder, env: { ...process.env, ...env } });
  children.push(child);
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await gone;
}

async function backend(name: string): Promise<number> {
  const server = http.createServer((_, response) => response.end(name));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return (server.address() as net.AddressInfo).port;
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
function ask(port: number): Promise<string> {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, agent }, (response) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve(body));
    });
    request.on('error', () => setTimeout(() => resolve(''), 5));
  });
}

/** User and system time of a process, milliseconds. */
function cpuOf(pid: number | undefined): number {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const service = (name: string, port: number) => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: ${port}}}]
`;
const route = (name: string) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: default}
spec:
  hosts: ["*"]
  gateways: [istio-system/gw]
  http: [{route: [{destination: {host: ${name}.default.svc.cluster.local}}]}]
`;
const gateway = (port: number) => `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: ${port}, name: web, protocol: HTTP}, hosts: ["*"]}]
---${VANILLA}`;

function bootstrap(grpc: number, admin: number): string {
  const protocol = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return JSON.stringify({
    node: {
      id: 'router~127.0.0.1~gateway.istio-system~istio-system.svc.cluster.local',
      cluster: 'gateway',
      metadata: {
        NAMESPACE: 'istio-system',
        LABELS: { istio: 'ingressgateway' },
        ISTIO_VERSION: '1.31.0',
        CLUSTER_ID: 'Kubernetes',
        INSTANCE_IPS: '127.0.0.1',
        UNPRIVILEGED_POD: 'true',
      },
    },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
        set_node_on_first_message_only: true,
      },
      cds_config: { ads: {}, resource_api_version: 'V3' },
      lds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [
        {
          name: 'xds-grpc',
          type: 'STATIC',
          typed_extension_protocol_options: {
            [protocol]: {
              '@type': `type.googleapis.com/${protocol}`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds-grpc',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: grpc } } } },
                ],
              },
            ],
          },
        },
      ],
    },
  });
}

async function measure(control: string, services: number, rounds: number, kind: string): Promise<void> {
  const [portA, portB] = [await backend('a'), await backend('b')];
  const [grpc, admin, listen, spare1, spare2, spare3] = await Promise.all(Array.from({ length: 6 }, freePort));
  const config = fs.mkdtempSync(path.join(folder, 'config-'));
  const write = (name: string, text: string) => {
    fs.writeFileSync(path.join(folder, 'draft'), text);
    fs.renameSync(path.join(folder, 'draft'), path.join(config, name));
  };
  write('gateway.yaml', gateway(listen));
  write('services.yaml', Array.from({ length: services }, (_, i) => service(`svc-${i}`, 30_000 + (i % 1000))).join(''));
  write('pair.yaml', service('a', portA) + service('b', portB));
  write('moving.yaml', service('moving', portA));
  write('route.yaml', route(kind === 'route' ? 'a' : 'moving'));
  fs.writeFileSync(path.join(folder, 'mesh.yaml'), '{"enableAutoMtls": false}');
  const args = ['discovery', '--configDir', config, '--registries=', '--meshConfig', path.join(folder, 'mesh.yaml')];
  args.push('--httpsAddr', '', '--secureGRPCAddr', '', '--grpcAddr', `127.0.0.1:${grpc}`);
  args.push(
    '--httpAddr',
    `127.0.0.1:${spare1}`,
    '--monitoringAddr',
    `127.0.0.1:${spare2}`,
    '--ctrlz_port',
    `${spare3}`,
  );
  const env = { POD_NAMESPACE: 'istio-system', PILOT_ENABLE_METADATA_EXCHANGE: 'false' };
  const server =
    control === 'istiod'
      ? start(bin('pilot-discovery'), args, 'control.log', env)
      : start(process.execPath, [path.join(ROOT, 'dist/cli/main.js'), ...args], 'control.log', env);
  fs.writeFileSync(path.join(folder, 'bootstrap.json'), bootstrap(grpc, admin));
  const envoyArgs = ['-c', path.join(folder, 'bootstrap.json'), '--concurrency', '1', '-l', 'error'];
  const envoy = start(bin('envoy'), [...envoyArgs, '--use-dynamic-base-id', '--disable-hot-restart'], 'envoy.log');
  const until = async (wanted: string) => {
    for (let i = 0; (await ask(listen)) !== wanted; i++) {
      if (server.exitCode !== null)
        throw new Error(fs.readFileSync(path.join(folder, 'control.log'), 'utf8').slice(-800));
      if (i > 100_000) throw new Error('no change');
      // Asking without a pause would take both cores from those that are measured.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  await until('a');
  const change = (wanted: string) =>
    kind === 'route'
      ? write('route.yaml', route(wanted))
      : write('moving.yaml', service('moving', wanted === 'a' ? portA : portB));
  const times: number[] = [];
  let cpu = 0;
  for (let i = 0; i < rounds + 5; i++) {
    const wanted = i % 2 === 0 ? 'b' : 'a';
    const before = cpuOf(server.pid);
    const started = performance.now();
    change(wanted);
    await until(wanted);
    if (i >= 5) {
      times.push(performance.now() - started);
      cpu += cpuOf(server.pid) - before;
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  times.sort((x, y) => x - y);
  const at = (q: number) => times[Math.min(times.length - 1, Math.floor(q * times.length))].toFixed(1);
  const rss = /VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1];
  console.log(
    `${control}\t${services} services\t${kind}\tp50 ${at(0.5)} ms\tp99 ${at(0.99)} ms\tmax ${times.at(-1)?.toFixed(1)} ms\t` +
      `CPU ${(cpu / rounds).toFixed(1)} ms a change\tRSS ${Math.round(Number(rss) / 1024)} MB`,
  );
  await Promise.all([stop(server), stop(envoy)]);
}

for (const control of values.control.split(',')) {
  for (const services of values.services.split(',').map(Number)) {
    for (const kind of values.kind.split(',')) {
      await measure(
        control,
        services,
        control === 'istiod' ? Math.min(20, Number(values.rounds)) : Number(values.rounds),
        kind,
      );
    }
  }
}
process.exit(0);
