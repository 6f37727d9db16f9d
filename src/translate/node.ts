import type { JsonObject } from '@bufbuild/protobuf';
import type { Node } from '../api/gen/envoy/config/core/v3/base_pb.ts';
import { type MeshProxyConfig, meshProxyConfigSchema } from '../config/kinds/mesh-config/proxy-schema.ts';
import { readWith } from '../config/schema/index.ts';
import { isIp } from '../registry/address.ts';
import type { Labels } from '../registry/labels.ts';
import type { Locality } from '../registry/locality.ts';

/** Kinds of proxies: beside one workload, or standing alone as a gateway. */
export type NodeType = 'sidecar' | 'router';

/** How a sidecar gets its workload's traffic: by iptables, keeping the client's address, or by being addressed itself. */
export type InterceptionMode = 'REDIRECT' | 'TPROXY' | 'NONE';

/** Files on the proxy's machine. */
export interface CertificateFiles {
  readonly chain: string;
  readonly key: string;
  readonly root: string;
}

/** A proxy, as it describes itself when it connects: istio-agent's and istiod's agreement on Envoy's node. */
export interface ProxyNode {
  readonly id: string;
  readonly type: NodeType;
  /** Its addresses, the primary one first; at least one. */
  readonly addresses: readonly string[];
  readonly name: string;
  readonly namespace: string;
  /** Suffix that its resolver adds to short names, such as `default.svc.cluster.local`. */
  readonly dnsDomain: string;
  readonly locality: Locality;
  /** As the proxy itself tells them; the registry may know more. */
  readonly labels: Labels;
  /** What the proxy's own Envoy calls its service (`Node.cluster`), and tracers after it. */
  readonly cluster: string;
  /** What its spans are of by the conventions of OpenTelemetry: the pod's annotation, else the workload, else the pod. */
  readonly telemetryService: string;
  readonly clusterId: string;
  readonly network: string;
  readonly meshId: string;
  readonly serviceAccount: string;
  readonly workloadName: string;
  readonly nodeName: string;
  readonly interceptionMode: InterceptionMode;
  /**
   * Mode NONE in which the sidecar stands on its pod's address instead of the program (metadata ISTHMUS_CAPTURE
   * `explicit`): it then takes the program's ports without a Sidecar that says so.
   */
  readonly explicitCapture: boolean;
  readonly istioVersion: string;
  /** It may not bind ports below 1024. */
  readonly unprivileged: boolean;
  readonly http10: boolean;
  /** ROUTER_MODE: gateways that forward mutual TLS by SNI say `sni-dnat`. */
  readonly routerMode: string;
  readonly dnsCapture: boolean;
  readonly dnsAutoAllocate: boolean;
  /** Go duration of IDLE_TIMEOUT, or empty. */
  readonly idleTimeout: string;
  readonly httpProxyPort: number;
  readonly inboundExactBalance: boolean;
  readonly outboundExactBalance: boolean;
  /** A Unix socket where the agent's neighbour serves credentials exists (metadata `credential`). */
  readonly credentialSocket: boolean;
  /** Networks of which it wants to see endpoints; empty for all. */
  readonly networkView: readonly string[];
  /** Certificates that it was given instead of the mesh's, for mutual TLS towards services. */
  readonly clientCertificates: CertificateFiles | undefined;
  /** The same for mutual TLS from its clients. */
  readonly serverCertificates: CertificateFiles | undefined;
  /** The proxy configuration that it was started with; undefined if it sent none. */
  readonly proxyConfig: MeshProxyConfig | undefined;
  /** Ports of its own on which no listener may stand: status and Prometheus. */
  readonly reservedPorts: readonly number[];
  readonly metadata: JsonObject;
}

/** Reads a node. Returns a clause that says what is wrong with it when it does not describe a proxy of a mesh. */
export function parseNode(node: Node): ProxyNode | { readonly problem: string } {
  const parts = node.id.split('~');
  const [type, address, nameAndNamespace, dnsDomain] = parts;
  if (parts.length !== 4) {
    return { problem: `has the id ${JSON.stringify(node.id)}, which is not TYPE~IP~NAME.NAMESPACE~DOMAIN` };
  }
  if (type !== 'sidecar' && type !== 'router') {
    return { problem: `is of type ${JSON.stringify(type)}; this control plane serves sidecar and router` };
  }
  const metadata = node.metadata ?? {};
  const text = (key: string) => textOf(metadata[key]);
  const listed = Array.isArray(metadata.INSTANCE_IPS)
    ? metadata.INSTANCE_IPS.map(textOf)
    : text('INSTANCE_IPS').split(',');
  const addresses = listed.map((ip) => ip.trim()).filter(isIp);
  if (addresses.length === 0 && isIp(address!)) addresses.push(address!);
  if (addresses.length === 0) return { problem: 'names no IP address, neither in its id nor as INSTANCE_IPS' };
  const dot = nameAndNamespace!.lastIndexOf('.');
  const name = dot === -1 ? nameAndNamespace! : nameAndNamespace!.slice(0, dot);
  return {
    id: node.id,
    type,
    addresses,
    name,
    namespace: text('NAMESPACE') || (dot === -1 ? '' : nameAndNamespace!.slice(dot + 1)),
    dnsDomain: dnsDomain!,
    locality: {
      region: node.locality?.region ?? '',
      zone: node.locality?.zone ?? '',
      subzone: node.locality?.subZone ?? '',
    },
    labels: stringMap(metadata.LABELS),
    cluster: node.cluster,
    telemetryService: stringMap(metadata.ANNOTATIONS)[SERVICE_NAME_ANNOTATION] || text('WORKLOAD_NAME') || name,
    clusterId: text('CLUSTER_ID'),
    network: text('NETWORK'),
    meshId: text('MESH_ID'),
    serviceAccount: text('SERVICE_ACCOUNT'),
    workloadName: text('WORKLOAD_NAME'),
    nodeName: text('NODE_NAME'),
    interceptionMode: interceptionModeOf(text('INTERCEPTION_MODE')),
    explicitCapture: text('INTERCEPTION_MODE') === 'NONE' && text('ISTHMUS_CAPTURE') === 'explicit',
    istioVersion: text('ISTIO_VERSION'),
    unprivileged: text('UNPRIVILEGED_POD') === 'true',
    http10: text('HTTP10') === '1',
    routerMode: text('ROUTER_MODE'),
    dnsCapture: isTrue(metadata.DNS_CAPTURE),
    dnsAutoAllocate: isTrue(metadata.DNS_AUTO_ALLOCATE),
    idleTimeout: text('IDLE_TIMEOUT'),
    httpProxyPort: Number(/^\d+$/.exec(text('HTTP_PROXY_PORT'))?.[0] ?? 0),
    inboundExactBalance: isTrue(metadata.INBOUND_LISTENER_EXACT_BALANCE),
    outboundExactBalance: isTrue(metadata.OUTBOUND_LISTENER_EXACT_BALANCE),
    credentialSocket: text('credential') === 'true',
    networkView: text('REQUESTED_NETWORK_VIEW')
      .split(',')
      .filter((network) => network !== ''),
    clientCertificates: text('TLS_CLIENT_CERT_CHAIN')
      ? { chain: text('TLS_CLIENT_CERT_CHAIN'), key: text('TLS_CLIENT_KEY'), root: text('TLS_CLIENT_ROOT_CERT') }
      : undefined,
    serverCertificates: text('TLS_SERVER_CERT_CHAIN')
      ? { chain: text('TLS_SERVER_CERT_CHAIN'), key: text('TLS_SERVER_KEY'), root: text('TLS_SERVER_ROOT_CERT') }
      : undefined,
    proxyConfig: readProxyConfig(metadata.PROXY_CONFIG),
    reservedPorts: [text('ENVOY_STATUS_PORT'), text('ENVOY_PROMETHEUS_PORT')].flatMap((port) =>
      /^\d+$/.test(port) ? [Number(port)] : [],
    ),
    metadata,
  };
}

const SERVICE_NAME_ANNOTATION = 'resource.opentelemetry.io/service.name';

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

function isTrue(value: unknown): boolean {
  return value === true || value === 'true' || value === '1';
}

function stringMap(value: unknown): Labels {
  const result: Record<string, string> = {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return result;
  for (const [key, item] of Object.entries(value)) result[key] = textOf(item);
  return result;
}

function interceptionModeOf(text: string): InterceptionMode {
  return text === 'TPROXY' || text === 'NONE' ? text : 'REDIRECT';
}

/** What a proxy says about its own configuration is taken as far as it makes sense: it may be of another version. */
function readProxyConfig(value: unknown): MeshProxyConfig | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const read = (part: unknown) =>
    readWith(meshProxyConfigSchema, part, ['PROXY_CONFIG'], { unknownFields: 'warning' }).value;
  return read(value) ?? Object.assign({}, ...Object.entries(value).map(([key, item]) => read({ [key]: item })));
}
