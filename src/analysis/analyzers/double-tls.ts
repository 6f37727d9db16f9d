import { isTls, parseProtocol } from '../../registry/protocol.ts';
import type { Analyzer } from '../analyzer.ts';
import { fullHost } from '../known-hosts.ts';
import { fullName } from '../resource.ts';

/** Ports that programs already encrypt, and that a DestinationRule has proxies encrypt once more. */
export const doubleTlsAnalyzer: Analyzer = {
  name: 'isthmus.DoubleTlsAnalyzer',
  description: 'Checks that destination rules do not encrypt what is encrypted already',
  analyze(context) {
    for (const rule of context.list('DestinationRule')) {
      const { host = '', trafficPolicy } = rule.spec;
      const name = fullHost(host, rule.namespace);
      for (const entry of context.list('ServiceEntry')) {
        if (!(entry.spec.hosts ?? []).includes(name)) continue;
        for (const { number = 0, protocol = '' } of entry.spec.ports ?? []) {
          if (!isTls(parseProtocol(protocol))) continue;
          const settings = trafficPolicy?.portLevelSettings ?? [];
          const index = settings.findIndex(({ port }) => port?.number === number);
          const tls = index === -1 ? trafficPolicy?.tls : settings[index]!.tls;
          if (tls?.mode !== 'SIMPLE' && tls?.mode !== 'MUTUAL') continue;
          const path = index === -1 ? [] : ['portLevelSettings', index];
          const parameters = [number, host, protocol, fullName(entry), tls.mode];
          context.report('ISTH0006', rule, parameters, ['spec', 'trafficPolicy', ...path, 'tls', 'mode']);
        }
      }
    }
  },
};
