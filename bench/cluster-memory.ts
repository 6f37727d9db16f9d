/**
 * What many clusters cost a proxy that hardly uses them: megabytes of the process and milliseconds until it is live, with
 * clusters and endpoints of the form that istiod sends, from a control plane in this process.
 *
 * Run: node bench/cluster-memory.ts [clusters] [main] [envoy]; main is dist/cli/main.js unless told.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fromJson, toBinary } from '@bufbuild/protobuf';
import { ClusterSchema } from '../src/api/gen/envoy/config/cluster/v3/cluster_pb.ts';
import { ClusterLoadAssignmentSchema } from '../src/api/gen/envoy/config/endpoint/v3/endpoint_pb.ts';
import { registry } from '../src/api/registry.ts';
import type { ServedResource } from '../src/xds/session/messages.ts';
import { freePorts, until } from '../test/support/reference.ts';
import { ScriptedControlPlane } from '../test/support/scripted-control-plane.ts';

const COUNT = Number(process.argv[2] ?? 3000);
const MAIN = process.argv[3] ?? 'dist/cli/main.js';
const ENVOY = process.argv[4];

const nameOf = (i: number) => `outbound|80||service-${i}.namespace-${i % 50}.svc.cluster.local`;

function clusterOf(i: number, tls: boolean) {
  const host = `service-${i}.namespace-${i % 50}.svc.cluster.local`;
  return {
    name: nameOf(i),
    type: 'EDS',
    edsClusterConfig: {
      edsConfig: { ads: {}, initialFetchTimeout: '0s', resourceApiVersion: 'V3' },
      serviceName: nameOf(i),
    },
    connectTimeout: '10s',
    lbPolicy: 'LEAST_REQUEST',
    circuitBreakers: {
      thresholds: [
        {
          maxConnections: 4294967295,
          maxPendingRequests: 4294967295,
          maxRequests: 4294967295,
          maxRetries: 4294967295,
          trackRemaining: true,
        },
      ],
    },
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
      },
    },
    metadata: {
      filterMetadata: {
        istio: {
          services: [{ host, name: `service-${i}`, namespace: `namespace-${i % 50}` }],
          default_original_port: 80,
        },
      },
    },
    commonLbConfig: { healthyPanicThreshold: {} },
    altStatName: `${nameOf(i)};`,
    transportSocketMatches: tls
      ? [
          {
            name: 'tlsMode-istio',
            match: { tlsMode: 'istio' },
            transportSocket: { name: 'envoy.transport_sockets.raw_buffer' },
          },
          { name: 'tlsMode-disabled', match: {}, transportSocket: { name: 'envoy.transport_sockets.raw_buffer' } },
        ]
      : [],
  };
}

function endpointsOf(i: number) {
  return {
    clusterName: nameOf(i),
    endpoints: [
      {
        locality: { region: 'region1', zone: 'zone1' },
        loadBalancingWeight: 2,
        lbEndpoints: [0, 1].map((n) => ({
          endpoint: {
            address: { socketAddress: { address: `10.${i >> 8}.${i & 255}.${n + 1}`, portValue: 8080 } },
          },
          metadata: {
            filterMetadata: {
              istio: { workload: `service-${i};namespace-${i % 50};service-${i};v1;Kubernetes` },
              'envoy.transport_socket_match': { tlsMode: 'istio' },
            },
          },
          loadBalancingWeight: 1,
        })),
      },
    ],
  };
}

const encoder = (schema: typeof ClusterSchema | typeof ClusterLoadAssignmentSchema, json: object, name: string) =>
  [name, { name, version: '1', bytes: toBinary(schema, fromJson(schema, json as never, { registry }) as never) }] as [
    string,
    ServedResource,
  ];

function rss(child: ChildProcess): { rss: number; peak: number } {
  const status = fs.readFileSync(`/proc/${child.pid}/status`, 'utf8');
  const kilobytes = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]);
  return { rss: kilobytes('VmRSS') / 1024, peak: kilobytes('VmHWM') / 1024 };
}

async function measure(count: number): Promise<void> {
  const control = new ScriptedControlPlane();
  const clusters = new Map<string, ServedResource>();
  const endpoints = new Map<string, ServedResource>();
  for (let i = 0; i < count; i++) {
    clusters.set(...encoder(ClusterSchema, clusterOf(i, true), nameOf(i)));
    endpoints.set(...encoder(ClusterLoadAssignmentSchema, endpointsOf(i), nameOf(i)));
  }
  control.setEncoded(ClusterSchema, clusters);
  control.setEncoded(ClusterLoadAssignmentSchema, endpoints);
  const wanted = control.push();
  const port = await control.listen();
  const [admin] = await freePorts(1);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'isthmus-bench-'));
  const file = path.join(folder, 'bootstrap.json');
  const http2 = {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  };
  fs.writeFileSync(
    file,
    JSON.stringify({
      node: { id: 'bench', cluster: 'bench' },
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
      dynamic_resources: {
        cds_config: { ads: {}, resource_api_version: 'V3' },
        ads_config: {
          api_type: 'DELTA_GRPC',
          transport_api_version: 'V3',
          grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
        },
      },
      static_resources: {
        clusters: [
          {
            name: 'xds',
            type: 'STATIC',
            typed_extension_protocol_options: http2,
            load_assignment: {
              cluster_name: 'xds',
              endpoints: [
                {
                  lb_endpoints: [
                    { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } },
                  ],
                },
              ],
            },
          },
        ],
      },
    }),
  );
  const args = ['-c', file, '--concurrency', '1', '-l', 'error'];
  const begin = performance.now();
  const child = ENVOY
    ? spawn(ENVOY, [...args, '--use-dynamic-base-id'], { stdio: 'inherit' })
    : spawn(process.execPath, ['--max-semi-space-size=1', MAIN, 'proxy', ...args], { stdio: 'inherit' });
  try {
    await until('the proxy is live', async () => {
      const response = await fetch(`http://127.0.0.1:${admin}/ready`).catch(() => undefined);
      return response?.status === 200 && (count === 0 || control.settled >= wanted);
    });
    const live = performance.now() - begin;
    const atLive = rss(child);
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const idle = rss(child);
    const megabytes = (n: number) => n.toFixed(0).padStart(4);
    console.log(
      `${String(count).padStart(5)} clusters: live after ${live.toFixed(0).padStart(5)} ms, RSS ${megabytes(atLive.rss)} MB, ` +
        `after 5 s ${megabytes(idle.rss)} MB, peak ${megabytes(idle.peak)} MB`,
    );
  } finally {
    child.kill('SIGKILL');
    control.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

await measure(0);
await measure(COUNT);
process.exit(0);
