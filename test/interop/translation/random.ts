import { type FixtureHead, type FixtureNode, parseFixture } from './fixture.ts';
import { randomMesh, randomProxyConfig } from './random/mesh.ts';
import { type RandomObject, randomObjects } from './random/objects.ts';
import { Random } from './random/prng.ts';

/** A mesh made of nothing but a seed: the same one always. */
export interface RandomMesh {
  readonly head: FixtureHead & { readonly nodes: readonly FixtureNode[] };
  readonly objects: readonly RandomObject[];
}

export function randomMeshOf(seed: number): RandomMesh {
  const random = new Random(seed);
  const env = randomEnvironment(random);
  const mesh = randomMesh(random);
  return { head: { mesh, env, nodes: randomNodes(random) }, objects: randomObjects(random) };
}

/** As the text of a fixture, which is YAML. */
export function fixtureText({ head, objects }: RandomMesh): string {
  return [head, ...objects].map((document) => JSON.stringify(document)).join('\n---\n');
}

export const fixtureOf = (mesh: RandomMesh) => parseFixture(fixtureText(mesh));

const SWITCHES: Readonly<Record<string, readonly string[]>> = {
  PILOT_ENABLE_METADATA_EXCHANGE: ['false'],
  PILOT_DISABLE_MX_ALPN: ['true'],
  PILOT_ENABLE_ALPN_FILTER: ['false'],
  PILOT_HTTP10: ['true'],
  ISTIO_DUAL_STACK: ['true'],
  PILOT_ENABLE_REDIS_FILTER: ['true'],
  ENABLE_TLS_ON_SIDECAR_INGRESS: ['true'],
  PILOT_ALLOW_SIDECAR_SERVICE_INBOUND_LISTENER_MERGE: ['true'],
  PILOT_ENABLE_ROUTE_COLLAPSE_OPTIMIZATION: ['false'],
  PILOT_SCOPE_GATEWAY_TO_NAMESPACE: ['true'],
  PILOT_SEND_UNHEALTHY_ENDPOINTS: ['true'],
  PILOT_ENABLE_PERSISTENT_SESSION_FILTER: ['true'],
  ENABLE_LOCALITY_WEIGHTED_LB_CONFIG: ['true'],
  PILOT_ENABLE_EDS_FOR_HEADLESS_SERVICES: ['true'],
  PILOT_SKIP_VALIDATE_TRUST_DOMAIN: ['true'],
  ENABLE_ENHANCED_DESTINATIONRULE_MERGE: ['false'],
  PILOT_SIDECAR_USE_REMOTE_ADDRESS: ['true'],
  ENABLE_100_CONTINUE_HEADERS: ['false'],
  MAX_CONNECTIONS_PER_SOCKET_EVENT_LOOP: ['0', '7'],
  PILOT_DNS_CARES_UDP_MAX_QUERIES: ['0', '5'],
  PILOT_DNS_JITTER_DURATION: ['0s', '50ms'],
  PILOT_TRACE_SAMPLING: ['0', '12.5'],
  PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS: ['true'],
  PILOT_GATEWAY_TRANSPORT_SOCKET_CONNECT_TIMEOUT: ['0s', '3s'],
  PILOT_JWT_ENABLE_REMOTE_JWKS: ['envoy', 'hybrid'],
  COMPLIANCE_POLICY: ['fips-140-2'],
};

function randomEnvironment(random: Random): Record<string, string> {
  const probability = random.pick([0, 0, 0.06, 0.2]);
  const env: Record<string, string> = {};
  for (const [name, values] of Object.entries(SWITCHES)) {
    if (random.chance(probability)) env[name] = random.pick(values);
  }
  return env;
}

/** What proxies say of themselves, each now and then. */
const METADATA: Readonly<Record<string, readonly unknown[]>> = {
  INTERCEPTION_MODE: ['NONE', 'TPROXY', 'REDIRECT'],
  HTTP10: ['1'],
  DNS_CAPTURE: ['true'],
  DNS_AUTO_ALLOCATE: ['true'],
  IDLE_TIMEOUT: ['5s', '0s'],
  HTTP_PROXY_PORT: ['15007'],
  INBOUND_LISTENER_EXACT_BALANCE: ['true'],
  OUTBOUND_LISTENER_EXACT_BALANCE: ['true'],
  UNPRIVILEGED_POD: ['true'],
  NETWORK: ['n1', 'n2'],
  REQUESTED_NETWORK_VIEW: ['n1'],
  ENVOY_STATUS_PORT: [15021, 9000],
  ENVOY_PROMETHEUS_PORT: [15090, 8080],
  WORKLOAD_NAME: ['workload'],
  NODE_NAME: ['node1'],
  ANNOTATIONS: [{ 'resource.opentelemetry.io/service.name': 'otel-name' }],
  TLS_CLIENT_CERT_CHAIN: ['/own/client.crt'],
  TLS_SERVER_CERT_CHAIN: ['/own/server.crt'],
  ROUTER_MODE: ['sni-dnat'],
  credential: ['true'],
};

const ALONG_WITH: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  TLS_CLIENT_CERT_CHAIN: { TLS_CLIENT_KEY: '/own/client.key', TLS_CLIENT_ROOT_CERT: '/own/client-ca.crt' },
  TLS_SERVER_CERT_CHAIN: { TLS_SERVER_KEY: '/own/server.key', TLS_SERVER_ROOT_CERT: '/own/server-ca.crt' },
};

function randomNodes(random: Random): FixtureNode[] {
  const rate = random.pick([0, 0.05, 0.15]);
  const r1 = { region: 'r1', zone: 'z1', subZone: 's1' };
  const places: FixtureNode['locality'][] = [undefined, r1, { region: 'r1', zone: 'z2' }, { region: 'r2' }];
  // Gateways and sidecars are not of one namespace: there istiod gives both what the first to connect may see.
  const nodes: FixtureNode[] = [
    { labels: { app: 'a', version: 'v1' }, ip: random.chance(0.8) ? '10.1.0.1' : '10.1.0.1,fd00::1' },
    { labels: { app: 'b' }, ip: '10.1.1.1', namespace: 'other', serviceAccount: 'sa1' },
    { type: 'router' },
    random.pick<FixtureNode>([
      { type: 'router', labels: { istio: 'egressgateway' }, namespace: random.pick(['istio-system', 'edge']) },
      { type: 'router', labels: { app: 'a' }, namespace: 'edge' },
      { type: 'router', metadata: { ROUTER_MODE: 'sni-dnat' } },
      { labels: { app: 'c' }, ip: random.pick(['10.1.2.1', 'fd00::9']) },
    ]),
  ];
  return nodes.map((node) => {
    const locality = random.pick(places);
    const metadata: Record<string, unknown> = { ...node.metadata };
    for (const [name, values] of Object.entries(METADATA)) {
      if (!random.chance(rate)) continue;
      if (name === 'ROUTER_MODE' && node.type !== 'router') continue;
      metadata[name] = random.pick(values);
      Object.assign(metadata, ALONG_WITH[name]);
    }
    if (random.chance(0.25)) metadata.PROXY_CONFIG = randomProxyConfig(random);
    return {
      ...node,
      ...(locality === undefined ? {} : { locality }),
      ...(Object.keys(metadata).length === 0 ? {} : { metadata: metadata as NonNullable<FixtureNode['metadata']> }),
    };
  });
}
