import type { Report } from '../report.ts';
import { isHostLabel } from './hosts.ts';

export interface ExportToRules {
  /** ServiceEntry may be exported to no one (`~`). */
  readonly mayBeNone?: boolean;
  /** A DestinationRule with a workloadSelector applies in its own namespace only. */
  readonly ownNamespaceOnly?: boolean;
}

/** The rules for `exportTo`: `.`, `*`, or names of namespaces, none of them twice. */
export function validateExportTo(
  exportTo: readonly string[] | undefined,
  namespace: string,
  report: Report,
  rules: ExportToRules = {},
): void {
  const seen = new Set<string>();
  for (const [i, entry] of (exportTo ?? []).entries()) {
    const target = entry === '.' ? namespace : entry;
    if (seen.has(target)) {
      report.error(`has ${JSON.stringify(entry)} although ${JSON.stringify(target)} is in the list already`, i);
      continue;
    }
    const isNone = entry === '~' && rules.mayBeNone === true;
    if (!isNone && target !== '*' && !isHostLabel(target)) {
      report.error(`must be ".", "*" or the name of a namespace, not ${JSON.stringify(entry)}`, i);
    } else seen.add(target);
  }
  if (rules.ownNamespaceOnly && seen.size > 0) {
    if (!seen.has(namespace)) report.error('must be ".", since workloadSelector is set');
    else if (seen.size > 1) report.error('must be "." alone, since workloadSelector is set');
  }
  if (exportTo !== undefined && exportTo.length > 1) {
    if (seen.has('*')) report.error('must not name namespaces beside "*", which means all of them');
    if (seen.has('~')) report.error('must not name namespaces beside "~", which means none');
  }
}
