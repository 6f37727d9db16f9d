import type { Analyzer } from '../analyzer.ts';
import { exportScopes } from '../known-hosts.ts';
import { fullName, type Resource } from '../resource.ts';

/** Service entries that disagree on what a port of a host speaks, where both are seen. */
export const serviceEntryProtocolsAnalyzer: Analyzer = {
  name: 'serviceentry.ConflictingServiceEntryProtocolAnalyzer',
  description: 'Checks if multiple ServiceEntries define the same host and port with different protocols',
  analyze(context) {
    const ports = new Map<string, Port>();
    for (const entry of context.list('ServiceEntry')) {
      for (const scope of exportScopes(entry.spec.exportTo ?? [], entry.namespace)) {
        for (const host of entry.spec.hosts ?? []) {
          for (const { number = 0, protocol = '' } of entry.spec.ports ?? []) {
            const key = keyOf(scope, host, number);
            const port = ports.get(key) ?? { scope, host, number, uses: [] };
            ports.set(key, { ...port, uses: [...port.uses, { entry, protocol: protocol.toUpperCase() }] });
          }
        }
      }
    }
    const reported = new Set<Resource>();
    for (const { scope, host, number, uses } of ports.values()) {
      const everywhere = scope === '*' ? [] : (ports.get(keyOf('*', host, number))?.uses ?? []);
      const all = [...uses, ...everywhere];
      const protocols = [...new Set(all.map(({ protocol }) => protocol))].sort();
      if (protocols.length < 2) continue;
      const names = [...new Set(all.map(({ entry }) => fullName(entry)))].sort().join(', ');
      for (const { entry } of all) {
        if (reported.has(entry)) continue;
        reported.add(entry);
        context.report('IST0177', entry, [names, host, number, protocols.join(', ')], ['metadata', 'name']);
      }
    }
  },
};

interface Port {
  readonly scope: string;
  readonly host: string;
  readonly number: number;
  readonly uses: readonly { readonly entry: Resource<'ServiceEntry'>; readonly protocol: string }[];
}

function keyOf(scope: string, host: string, port: number): string {
  return `${scope}/${host}:${port}`;
}
