import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateWorkloadSelector } from '../../validation/selectors.ts';
import type { ProxyConfigSpec } from './schema.ts';

/** What Istio's validation refuses or warns about in a ProxyConfig. */
export function validateProxyConfig({ spec }: ConfigObject<ProxyConfigSpec>, report: Report): void {
  const at = report.at('spec');
  validateWorkloadSelector(spec.selector, at.at('selector'));
  if ((spec.concurrency ?? 0) < 0) at.error(`must not be negative, is ${spec.concurrency}`, 'concurrency');
}
