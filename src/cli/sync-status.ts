import { UserError } from '../base/errors.ts';
import { formatAge } from './output/age.ts';
import { compareText, FreeForm, type Message } from './output/json.ts';
import { formatTable } from './output/table.ts';

/** What the control plane's `/debug/syncz` tells of a proxy. */
export interface ProxySync {
  readonly cluster_id: string;
  /** `NAME.NAMESPACE` */
  readonly proxy: string;
  readonly proxy_type: string;
  readonly istio_version: string;
  /** By type URL. */
  readonly resources: Readonly<Record<string, TypeSync>>;
}

interface TypeSync {
  /** Nonces. */
  readonly sent: string;
  readonly acked?: string;
  /** Why the proxy refuses what it was sent. */
  readonly error?: string;
  readonly error_time?: string;
  readonly sentTime: string;
}

/** Throws a UserError if the text is no answer of `/debug/syncz`. */
export function readSyncz(text: string): ProxySync[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    // Said below.
  }
  if (!Array.isArray(list)) throw new UserError('the control plane answers something else than a list of proxies');
  return (list as ProxySync[]).sort((a, b) => compareText(a.proxy, b.proxy));
}

/** Types by the names that istioctl has for them, in its order; others stand behind them. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['envoy.config.cluster.v3.Cluster', 'CDS'],
  ['envoy.config.listener.v3.Listener', 'LDS'],
  ['envoy.config.endpoint.v3.ClusterLoadAssignment', 'EDS'],
  ['envoy.config.route.v3.RouteConfiguration', 'RDS'],
  ['envoy.config.core.v3.TypedExtensionConfig', 'ECDS'],
  ['envoy.extensions.transport_sockets.tls.v3.Secret', 'SDS'],
  ['istio.networking.nds.v1.NameTable', 'NDS'],
  ['istio.mesh.v1alpha1.ProxyConfig', 'PCDS'],
  ['istio.workload.Address', 'WDS'],
  ['istio.security.Authorization', 'WADS'],
]);
const AGENT_TYPES: ReadonlySet<string> = new Set(['NDS', 'PCDS']);
/** Columns that are there even if no proxy follows the type. */
const STANDARD_TYPES = ['CDS', 'LDS', 'EDS', 'RDS', 'ECDS'].map((name) => urlOf(name));

function urlOf(shortName: string): string {
  const [typeName] = [...SHORT_NAMES].find(([, name]) => name === shortName)!;
  return `type.googleapis.com/${typeName}`;
}

function shortName(typeUrl: string): string {
  const typeName = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
  return SHORT_NAMES.get(typeName) ?? typeUrl;
}

/** An agent asks for names by a connection of its own, which is no proxy more. */
function withoutAgents(proxies: readonly ProxySync[]): readonly ProxySync[] {
  const isAgent = ({ resources }: ProxySync) => {
    const types = Object.keys(resources).map(shortName);
    return types.length > 0 && types.every((type) => AGENT_TYPES.has(type));
  };
  const named = new Set(proxies.filter((connection) => !isAgent(connection)).map(({ proxy }) => proxy));
  return proxies.filter((connection) => !isAgent(connection) || !named.has(connection.proxy));
}

/** The table of `proxy-status`: which types each proxy follows. `istiod` is what the control plane calls itself. */
export function summarizeSync(proxies: readonly ProxySync[], istiod: string): string {
  const order = [...SHORT_NAMES.values()];
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  const rows = withoutAgents(proxies).map((proxy) => {
    const types = Object.keys(proxy.resources).map(shortName);
    types.sort((a, b) => rank(a) - rank(b) || compareText(a, b));
    return [proxy.proxy, proxy.cluster_id, istiod, proxy.istio_version, `${types.length} (${types.join(',')})`];
  });
  return formatTable([['NAME', 'CLUSTER', 'ISTIOD', 'VERSION', 'SUBSCRIBED TYPES'], ...rows]);
}

/** The table of `proxy-status --verbosity 1`: how each type is with each proxy. `now` is in milliseconds since 1970. */
export function tabulateSync(proxies: readonly ProxySync[], istiod: string, now: number): string {
  const shown = withoutAgents(proxies);
  const types = new Set([...STANDARD_TYPES, ...shown.flatMap(({ resources }) => Object.keys(resources))]);
  const columns = [...types].sort(compareText);
  const rows = shown.map((proxy) => [
    proxy.proxy,
    proxy.cluster_id,
    ...columns.map((typeUrl) => describeType(proxy.resources[typeUrl], now)),
    istiod,
    proxy.istio_version,
  ]);
  return formatTable([['NAME', 'CLUSTER', ...columns.map(shortName), 'ISTIOD', 'VERSION'], ...rows]);
}

function describeType(type: TypeSync | undefined, now: number): string {
  if (type === undefined) return 'IGNORED';
  const age = now - Date.parse(type.sentTime);
  return Number.isFinite(age) ? `${statusOf(type)} (${formatAge(age)})` : statusOf(type);
}

function statusOf({ sent, acked, error }: TypeSync): string {
  if (error !== undefined) return 'ERROR';
  return acked === sent ? 'SYNCED' : 'STALE';
}

/** What proxies have refused, a line each. */
export function describeRefusals(proxies: readonly ProxySync[]): string[] {
  return proxies.flatMap(({ proxy, resources }) =>
    Object.entries(resources).flatMap(([typeUrl, { error }]) =>
      error === undefined ? [] : [`${proxy} refuses what it was sent of ${shortName(typeUrl)}: ${error}`],
    ),
  );
}

const CLIENT_CONFIG = 'type.googleapis.com/envoy.service.status.v3.ClientConfig';

/** The same as the `DiscoveryResponse` with an `envoy.service.status.v3.ClientConfig` each that istioctl prints. */
export function syncMessage(proxies: readonly ProxySync[], istiod: string, version: string): Message {
  return {
    versionInfo: version,
    resources: proxies.map((proxy) => ({
      '@type': CLIENT_CONFIG,
      node: {
        id: proxy.proxy,
        metadata: new FreeForm(
          new Map([
            ['CLUSTER_ID', proxy.cluster_id],
            ['ISTIO_VERSION', proxy.istio_version],
            ['NAMESPACE', proxy.proxy.slice(proxy.proxy.lastIndexOf('.') + 1)],
            ['TYPE', proxy.proxy_type],
          ]),
        ),
      },
      genericXdsConfigs: Object.entries(proxy.resources)
        .sort(([a], [b]) => compareText(a, b))
        .map(([typeUrl, type]) => ({
          typeUrl,
          lastUpdated: type.sentTime,
          configStatus: statusOf(type),
          ...(type.error === undefined ? {} : { errorState: { details: type.error } }),
        })),
    })),
    typeUrl: CLIENT_CONFIG,
    controlPlane: { identifier: JSON.stringify({ Component: 'istiod', ID: istiod, Info: { version } }) },
  };
}
