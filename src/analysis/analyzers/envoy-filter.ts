import type { EnvoyFilterSpec } from '../../config/kinds/envoy-filter/schema.ts';
import { isRecord } from '../../config/schema/index.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Loose } from '../resource.ts';

type Patch = NonNullable<Loose<EnvoyFilterSpec>['configPatches']>[number];

const RELATIVE_OPERATIONS: readonly unknown[] = ['REMOVE', 'REPLACE', 'INSERT_BEFORE', 'INSERT_AFTER'];

/** Patches whose operation does nothing where it is applied, or whose outcome depends on the order of filters. */
export const envoyFilterAnalyzer: Analyzer = {
  name: 'envoyfilter.EnvoyPatchAnalyzer',
  description: 'Checks an envoyFilters ',
  analyze(context) {
    // Names that were patched for certain versions of the proxy, in this filter or one before.
    const versioned = new Set<string>();
    for (const filter of context.list('EnvoyFilter')) {
      const { priority = 0, configPatches = [] } = filter.spec;
      for (const [i, configPatch] of configPatches.entries()) {
        const { applyTo, patch } = configPatch;
        if (patch === undefined) break;
        const place = ['spec', 'configPatches', i, 'patch'];
        const isRoute = applyTo === 'ROUTE_CONFIGURATION' || applyTo === 'HTTP_ROUTE';
        const isFilter = applyTo === 'NETWORK_FILTER' || applyTo === 'HTTP_FILTER';
        const name = patchedName(configPatch);
        if (patch.operation === 'ADD' && isRoute) context.report('IST0153', filter, [], place);
        else if (patch.operation === 'REMOVE' && isRoute) context.report('IST0154', filter, [], place);
        else if (patch.operation === 'REPLACE' && !isFilter) context.report('IST0152', filter, [], place);
        else if (priority === 0 && RELATIVE_OPERATIONS.includes(patch.operation))
          context.report(versioned.has(name) ? 'IST0155' : 'IST0151', filter, [], place);
        if (configPatch.match?.proxy?.proxyVersion) versioned.add(name);
      }
    }
  },
};

/** The name in what is inserted, or else that of the filter that is looked for. */
function patchedName({ patch, match }: Patch): string {
  const value: unknown = patch?.value;
  if (!isRecord(value)) return '';
  if (value.name !== undefined) return String(value.name);
  return match?.listener?.filterChain?.filter?.name ?? '';
}
