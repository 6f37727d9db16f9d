import { messageOf } from '../../base/errors.ts';
import type { ControlClient } from '../../config/control/client.ts';
import type { ProxyAddress } from '../../config/control/mesh-api.ts';
import { type KindId, kindById } from '../../config/kinds/index.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { Sample } from '../../explain/mutual-tls/metrics-text.ts';
import {
  METRICS_FILTER,
  type Measurement,
  type Pair,
  pairsOf,
  readCounters,
  since,
} from '../../explain/mutual-tls/pairs.ts';
import type { SecurityObjects } from '../../explain/mutual-tls/policy.ts';
import { Exit, type Streams } from '../command.ts';
import { fetchResources } from '../kubectl/objects.ts';
import { askAdmin, type MeshClient } from '../mesh-client.ts';
import { canShowLock, formatMutualTls, type MutualTlsReport, mutualTlsJson } from './mtls-format.ts';

export interface MutualTlsFlags {
  readonly namespace?: string;
  readonly output?: 'json';
  /** Milliseconds to count for; undefined for what has been counted since the proxies started. */
  readonly during?: number;
}

/** Page of an admin interface. */
const COUNTERS = `stats/prometheus?filter=${encodeURIComponent(METRICS_FILTER)}`;

/** `isthmus status --mtls`: which workloads speak with each other encrypted, by what their proxies have counted. */
export async function mutualTls(
  client: ControlClient,
  mesh: MeshClient,
  { namespace, output, during }: MutualTlsFlags,
  streams: Streams,
): Promise<void> {
  const problems: { proxy: string; problem: string }[] = [];
  const measure = async (): Promise<Measurement> => {
    const { proxies } = await client.proxies();
    const counters = new Map<string, readonly Sample[]>();
    const ask = async ({ id, admin }: ProxyAddress) => {
      try {
        counters.set(id, readCounters(await askAdmin(admin, COUNTERS)));
      } catch (error) {
        problems.push({ proxy: id, problem: messageOf(error) });
      }
    };
    await Promise.all(proxies.map(ask));
    return counters;
  };
  let measured = await measure();
  if (during !== undefined) {
    const before = measured;
    await new Promise((resolve) => setTimeout(resolve, during));
    problems.length = 0;
    measured = since(before, await measure());
  }
  const report: MutualTlsReport = {
    mesh: mesh.mesh.name,
    pairs: pairsOf(measured).filter((pair) => namespace === undefined || concerns(pair, namespace)),
    problems: problems.sort((a, b) => (a.proxy < b.proxy ? -1 : 1)),
    objects: await securityObjects(client, mesh),
    during,
  };
  if (output === 'json') streams.stdout.write(mutualTlsJson(report));
  else streams.stdout.write(formatMutualTls(report, canShowLock(process.env, streams.stdout.isTTY === true)));
  if (problems.length > 0 || report.pairs.some(({ security }) => security === 'none')) throw new Exit(1);
}

function concerns({ source, destination }: Pair, namespace: string): boolean {
  return source.namespace === namespace || destination.namespace === namespace;
}

/** That of every local mesh. */
const DOMAIN = 'cluster.local';

async function securityObjects(client: ControlClient, mesh: MeshClient): Promise<SecurityObjects> {
  const list = async <Spec>(id: KindId) => {
    const definition = kindById(id)!;
    const query = { definition, apiVersion: definition.apiVersions[0]!, namespace: undefined, name: undefined };
    const resources = await fetchResources(client, query);
    return resources.sort((a, b) => a.createdAt - b.createdAt).map(({ object }) => object as ConfigObject<Spec>);
  };
  const [{ pods }, meshConfig, peerAuthentications, destinationRules, podObjects] = await Promise.all([
    client.status(),
    mesh.debug('mesh'),
    list<SecurityObjects['peerAuthentications'][number]['spec']>('PeerAuthentication'),
    list<SecurityObjects['destinationRules'][number]['spec']>('DestinationRule'),
    list('Pod'),
  ]);
  const { rootNamespace } = JSON.parse(meshConfig) as { readonly rootNamespace: string };
  return {
    peerAuthentications,
    destinationRules,
    rootNamespace,
    domain: DOMAIN,
    labelsOf: (namespace, workload) => {
      const pod = pods.find(
        (p) => p.namespace === namespace && (p.owner?.endsWith(`/${workload}`) || p.name === workload),
      );
      const object = podObjects.find(
        ({ metadata }) => metadata.namespace === namespace && pod !== undefined && metadata.name === pod.name,
      );
      return object?.metadata.labels;
    },
  };
}
