import fs from 'node:fs';
import path from 'node:path';
import { create, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { NodeSchema } from '../../src/api/gen/envoy/config/core/v3/base_pb.ts';
import { type DiscoveryOptions, type RunningDiscovery, startDiscovery } from '../../src/app/discovery.ts';
import { Logging } from '../../src/base/log.ts';
import { accepts, freePorts, run, scratch, until } from './reference.ts';

interface TestContext {
  after(fn: () => void | Promise<void>): void;
}

/** A control plane over a folder of configuration. */
export interface TestedControlPlane {
  /** `IP:PORT` of plaintext discovery. */
  readonly grpc: string;
  readonly configDir: string;
  /** Puts a file of configuration in place, at once and whole. */
  write(name: string, text: string): void;
  remove(name: string): void;
}

const MESH = { defaultProviders: {}, extensionProviders: [], enableAutoMtls: false };

function folders(t: TestContext, config: Readonly<Record<string, string>>) {
  const folder = scratch(t);
  const configDir = path.join(folder, 'config');
  fs.mkdirSync(configDir);
  const write = (name: string, text: string) => {
    const draft = path.join(folder, 'draft');
    fs.writeFileSync(draft, text);
    fs.renameSync(draft, path.join(configDir, name));
  };
  for (const [name, text] of Object.entries(config)) write(name, text);
  const meshConfig = path.join(folder, 'mesh.yaml');
  fs.writeFileSync(meshConfig, JSON.stringify(MESH));
  return { folder, configDir, meshConfig, write, remove: (name: string) => fs.rmSync(path.join(configDir, name)) };
}

const ENV = { PILOT_ENABLE_METADATA_EXCHANGE: 'false' };

/** Our control plane, in this process. */
export async function startIsthmus(
  t: TestContext,
  config: Readonly<Record<string, string>>,
  more: Partial<DiscoveryOptions> & { readonly lines?: string[] } = {},
): Promise<TestedControlPlane & { readonly running: RunningDiscovery; readonly meshConfig: string }> {
  const { configDir, meshConfig, write, remove } = folders(t, config);
  const { lines, ...options } = more;
  const logging = new Logging({ format: 'istio', stream: { write: (line) => lines?.push(line) } });
  const running = await startDiscovery(
    {
      configDir,
      meshConfig,
      addresses: { grpcAddr: '127.0.0.1:0', secureGRPCAddr: '', httpAddr: '127.0.0.1:0', monitoringAddr: '' },
      control: undefined,
      domain: 'cluster.local',
      clusterId: 'Kubernetes',
      namespace: 'istio-system',
      keepalive: { intervalMs: 30_000, timeoutMs: 10_000, maxConnectionAgeMs: Number.POSITIVE_INFINITY },
      tls: { minVersion: 'TLSv1.2' },
      tlsCertFile: undefined,
      tlsKeyFile: undefined,
      caCertFile: undefined,
      cacertsDir: undefined,
      stateDir: undefined,
      env: ENV,
      version: '1.31.0',
      ...options,
    },
    logging,
  );
  t.after(() => running.stop());
  return { grpc: running.addresses.grpc ?? '', configDir, meshConfig, write, remove, running };
}

/** Real istiod, in file mode. */
export async function startIstiod(
  t: TestContext,
  config: Readonly<Record<string, string>>,
): Promise<TestedControlPlane> {
  const { folder, configDir, meshConfig, write, remove } = folders(t, config);
  const [grpc, http, monitoring, ctrlz] = await freePorts(4);
  const args = ['discovery', '--configDir', configDir, '--registries=', '--meshConfig', meshConfig];
  args.push('--httpsAddr', '', '--secureGRPCAddr', '', '--grpcAddr', `127.0.0.1:${grpc}`);
  args.push('--httpAddr', `127.0.0.1:${http}`, '--monitoringAddr', `127.0.0.1:${monitoring}`);
  args.push('--ctrlz_port', String(ctrlz));
  const env = { ...ENV, POD_NAMESPACE: 'istio-system', PILOT_DEBOUNCE_AFTER: '10ms' };
  const program = run(t, 'pilot-discovery', args, { folder, env });
  await until('istiod listens', () => {
    program.check();
    return accepts(grpc);
  });
  return { grpc: `127.0.0.1:${grpc}`, configDir, write, remove };
}

/** The node of a gateway, or of a sidecar in front of nothing. */
export function nodeJson(type: 'router' | 'sidecar', name: string, namespace: string) {
  const metadata: JsonObject = {
    NAMESPACE: namespace,
    LABELS: type === 'router' ? { istio: 'ingressgateway' } : { app: name },
    ISTIO_VERSION: '1.31.0',
    CLUSTER_ID: 'Kubernetes',
    INSTANCE_IPS: '127.0.0.1',
    NAME: name,
    SERVICE_ACCOUNT: 'default',
    ...(type === 'router' ? { UNPRIVILEGED_POD: 'true' } : { INTERCEPTION_MODE: 'NONE' }),
  };
  return {
    id: `${type}~127.0.0.1~${name}.${namespace}~${namespace}.svc.cluster.local`,
    cluster: `${name}.${namespace}`,
    metadata,
  };
}

export function encodedNode(type: 'router' | 'sidecar', name: string, namespace: string): Uint8Array {
  return toBinary(NodeSchema, create(NodeSchema, nodeJson(type, name, namespace)));
}

/** Real Envoy under a control plane. */
export interface TestedEnvoy {
  readonly admin: number;
  readonly log: () => string;
  /** A page of the admin endpoint. */
  get(path: string): Promise<string>;
  /** Stops the program at once. */
  stop(): Promise<void>;
}

export async function startEnvoy(
  t: TestContext,
  grpc: string,
  options: {
    readonly delta: boolean;
    readonly node: object;
    readonly transportSocket?: object;
    /** Clusters beside the one of discovery. */
    readonly clusters?: readonly object[];
    /** Our proxy, with the same bootstrap. */
    readonly command?: readonly string[];
  },
): Promise<TestedEnvoy> {
  const folder = scratch(t);
  const [admin] = await freePorts(1);
  const [address, port] = [grpc.slice(0, grpc.lastIndexOf(':')), Number(grpc.slice(grpc.lastIndexOf(':') + 1))];
  const protocol = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const bootstrap = {
    node: options.node,
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
    dynamic_resources: {
      ads_config: {
        api_type: options.delta ? 'DELTA_GRPC' : 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
        set_node_on_first_message_only: true,
      },
      cds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
      lds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
    },
    static_resources: {
      clusters: [
        ...(options.clusters ?? []),
        {
          name: 'xds-grpc',
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            [protocol]: {
              '@type': `type.googleapis.com/${protocol}`,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          ...(options.transportSocket ? { transport_socket: options.transportSocket } : {}),
          load_assignment: {
            cluster_name: 'xds-grpc',
            endpoints: [
              { lb_endpoints: [{ endpoint: { address: { socket_address: { address, port_value: port } } } }] },
            ],
          },
        },
      ],
    },
  };
  const file = path.join(folder, 'bootstrap.json');
  fs.writeFileSync(file, JSON.stringify(bootstrap));
  const args = ['-c', file, '--concurrency', '1', '-l', 'info', '--use-dynamic-base-id', '--disable-hot-restart'];
  const program = run(t, 'envoy', args, { folder, ...(options.command && { command: options.command }) });
  const get = async (page: string) => (await fetch(`http://127.0.0.1:${admin}${page}`)).text();
  await until('Envoy is ready', async () => {
    program.check();
    return (await get('/ready')).trim() === 'LIVE' || undefined;
  });
  return { admin, log: program.log, get, stop: program.stop };
}
