import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { checkPort } from '../../validation/ports.ts';
import { validateWorkloadSelector } from '../../validation/selectors.ts';
import type { PeerAuthenticationSpec } from './schema.ts';

/** What Istio's validation refuses or warns about in a PeerAuthentication. */
export function validatePeerAuthentication({ spec }: ConfigObject<PeerAuthenticationSpec>, report: Report): void {
  const at = report.at('spec');
  validateWorkloadSelector(spec.selector, at.at('selector'));
  if (spec.portLevelMtls === undefined) return;
  const ports = Object.keys(spec.portLevelMtls);
  if (ports.length === 0) at.error('must have at least one port', 'portLevelMtls');
  else if (Object.keys(spec.selector?.matchLabels ?? {}).length === 0) {
    at.error('needs a selector: ports are those of certain workloads', 'portLevelMtls');
  }
  for (const port of ports) at.check(checkPort(Number(port)), 'portLevelMtls', port);
}
