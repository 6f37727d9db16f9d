import { encodeNameTable, type NameInfo } from '../../api/name-table.ts';
import { isIp } from '../../registry/address.ts';
import { type Service, UNSPECIFIED } from '../../registry/service.ts';
import { type Cell, TypeUrl } from '../cell.ts';
import { EncodedCell } from '../encoded-cell.ts';
import type { ProxyView } from '../proxy-view.ts';

const NAME = 'name-table';

/**
 * What the hosts of services that a proxy sees resolve to, for the agent beside it: their virtual addresses, else those
 * that were made up for them, else those of their endpoints. Nothing for a proxy whose agent answers no DNS.
 */
export function nameTableCells(proxy: ProxyView): readonly Cell[] {
  if (!proxy.node.dnsCapture) return [];
  const encode = () => encodeNameTable(tableOf(proxy));
  return [new EncodedCell(TypeUrl.NameTable, NAME, encode, () => [])];
}

function tableOf(proxy: ProxyView): Map<string, NameInfo> {
  const table = new Map<string, NameInfo>();
  for (const service of proxy.scope.services) {
    if (service.resolution === 'ALIAS') continue;
    const ips = addressesOf(proxy, service);
    if (ips.length === 0) continue;
    const isKubernetes = service.origin === 'Kubernetes';
    const host = service.hostname.toLowerCase();
    if (table.has(host) && !isKubernetes) continue;
    table.set(host, {
      ips,
      registry: isKubernetes ? 'Kubernetes' : 'External',
      shortname: isKubernetes ? service.name : '',
      namespace: isKubernetes ? service.namespace : '',
    });
  }
  return table;
}

function addressesOf(proxy: ProxyView, service: Service): readonly string[] {
  const own = proxy.addressesOf(service).filter((address) => isIp(address) && address !== UNSPECIFIED);
  if (own.length > 0) return own;
  const allocated = proxy.allocatedOf(service);
  if (allocated) return proxy.ipMode === 'IPv6' ? [allocated.ipv6] : [allocated.ipv4, allocated.ipv6];
  if (service.hostname.startsWith('*')) return [];
  const { endpoints } = proxy.indexes.registry.endpoints(service);
  const healthy = endpoints.filter(({ health, address }) => health === 'healthy' && isIp(address));
  return [...new Set(healthy.map(({ address }) => address))].sort();
}
