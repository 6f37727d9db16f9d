import { UserError } from '../../base/errors.ts';
import { goSort } from '../output/go-sort.ts';
import { compareText, type Message } from '../output/json.ts';
import { formatTable } from '../output/table.ts';
import { type ConfigDump, resourcesOf } from './config-dump.ts';
import { messageAt, textAt } from './fields.ts';
import { describeManagement } from './management.ts';

export interface ClusterFilter {
  readonly fqdn?: string;
  readonly port?: number;
  readonly subset?: string;
  readonly direction?: string;
}

/** Clusters that serve or are written in the bootstrap, sorted by host name. Throws a UserError if there is none. */
export function clustersOf(dump: ConfigDump, filter: ClusterFilter): Message[] {
  const section = dump.section('ClustersConfigDump');
  const clusters = [
    ...resourcesOf(section, 'dynamicActiveClusters', (entry) => messageAt(entry, 'cluster')),
    ...resourcesOf(section, 'staticClusters', (entry) => messageAt(entry, 'cluster')),
  ];
  if (clusters.length === 0) throw new UserError('no clusters found');
  goSort(clusters, (a, b) => compareClusterNames(textAt(a, 'name'), textAt(b, 'name')) < 0);
  return clusters.filter((cluster) => isWanted(textAt(cluster, 'name'), filter));
}

/** Filters look for a part of the name, wherever it stands. */
function isWanted(name: string, { fqdn = '', direction = '', subset = '', port = 0 }: ClusterFilter): boolean {
  return (
    name.includes(fqdn) &&
    name.includes(direction) &&
    name.includes(subset) &&
    (port === 0 || name.includes(`|${port}|`))
  );
}

/** The table of `proxy-config cluster`. With `kind`, a first column has `cluster/NAME`. */
export function summarizeClusters(clusters: readonly Message[], kind = false): string {
  const rows = clusters.map((cluster) => {
    const name = textAt(cluster, 'name');
    const parts = parseClusterName(name);
    const columns = parts
      ? [parts.host, String(parts.port), parts.subset || '-', parts.direction]
      : [kind ? `cluster/${name}` : name, '-', '-', '-'];
    const described = [...columns, typeOf(cluster), describeManagement(cluster)];
    return kind ? [`cluster/${name}`, ...described] : described;
  });
  const header = ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'];
  return formatTable([kind ? ['NAME', ...header] : header, ...rows]);
}

function typeOf(cluster: Message): string {
  return textAt(cluster, 'type') || 'STATIC';
}

interface ClusterName {
  /** `outbound`, `inbound` ... */
  readonly direction: string;
  readonly port: number;
  readonly subset: string;
  readonly host: string;
}

/**
 * Takes `outbound|80|v1|web.default.svc.cluster.local` apart, or the form with `_.` that gateways send SNI on by; undefined
 * for a cluster that is not named so.
 */
function parseClusterName(name: string): ClusterName | undefined {
  if (name.split('|').length < 4) return undefined;
  const separator = /^(?:out|in)bound_\./.test(name) ? '_.' : '|';
  const [direction = '', port = '', subset = '', ...host] = name.split(separator);
  return {
    direction,
    port: /^[+-]?\d+$/.test(port) ? Number(port) : 0,
    subset,
    host: host.length === 1 ? host[0]! : '',
  };
}

/** By host, subset, port and direction. */
export function compareClusterNames(a: string, b: string): number {
  const [x, y] = [a, b].map((name) => parseClusterName(name) ?? { host: name, subset: '', port: 0, direction: '' });
  return (
    compareText(x!.host, y!.host) ||
    compareText(x!.subset, y!.subset) ||
    x!.port - y!.port ||
    compareText(x!.direction, y!.direction)
  );
}
