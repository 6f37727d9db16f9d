import { isRecord } from '../../config/schema/index.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';

/** TCP ports of a host without an address: by its port alone a proxy cannot tell it from others. */
export const serviceEntryAddressesAnalyzer: Analyzer = {
  name: 'serviceentry.Analyzer',
  description: 'Checks the validity of ServiceEntry',
  analyze(context) {
    if (allocatesAddresses(context)) return;
    for (const entry of context.list('ServiceEntry')) {
      const { addresses, ports = [] } = entry.spec;
      const hasAllocated = isRecord(entry.status) && Array.isArray(entry.status.addresses);
      if ((addresses?.length ?? 0) > 0 || (hasAllocated && (entry.status as { addresses: unknown[] }).addresses.length))
        continue;
      for (const [i, { protocol = '' }] of ports.entries()) {
        if (protocol !== '' && protocol.toUpperCase() !== 'TCP') continue;
        context.report('IST0134', entry, [], ['spec', 'ports', i, 'name']);
      }
    }
  },
};

/** Whether proxies answer DNS themselves, with addresses of their own for hosts that have none. */
function allocatesAddresses({ mesh }: AnalysisContext): boolean {
  const metadata: Readonly<Record<string, string | undefined>> = mesh.defaultConfig.proxyMetadata ?? {};
  if (metadata.ISTIO_META_DNS_CAPTURE !== 'true') return false;
  return metadata.ISTIO_META_DNS_AUTO_ALLOCATE === 'true' || metadata.PILOT_ENABLE_IP_AUTOALLOCATE === 'true';
}
