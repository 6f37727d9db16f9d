import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { checkSubsetName } from '../../validation/destinations.ts';
import { validateExportTo } from '../../validation/export-to.ts';
import { checkWildcardName } from '../../validation/hosts.ts';
import { validateLabels, validateWorkloadSelector } from '../../validation/selectors.ts';
import { validateTrafficPolicy } from '../../validation/traffic-policy.ts';
import type { DestinationRuleSpec } from './schema.ts';

/** What Istio's validation refuses or warns about in a DestinationRule. */
export function validateDestinationRule({ spec, metadata }: ConfigObject<DestinationRuleSpec>, report: Report): void {
  const at = report.at('spec');
  at.check(checkWildcardName(spec.host), 'host');
  validateTrafficPolicy(spec.trafficPolicy, at.at('trafficPolicy'));
  const names = new Set<string>();
  for (const [i, subset] of (spec.subsets ?? []).entries()) {
    const subsetAt = at.at('subsets', i);
    if (names.has(subset.name)) subsetAt.error(`is the second subset named ${subset.name}`, 'name');
    names.add(subset.name);
    subsetAt.check(checkSubsetName(subset.name), 'name');
    validateLabels(subset.labels, subsetAt.at('labels'));
    validateTrafficPolicy(subset.trafficPolicy, subsetAt.at('trafficPolicy'));
  }
  validateExportTo(spec.exportTo, metadata.namespace, at.at('exportTo'), {
    ownNamespaceOnly: spec.workloadSelector !== undefined,
  });
  validateWorkloadSelector(spec.workloadSelector, at.at('workloadSelector'));
}
