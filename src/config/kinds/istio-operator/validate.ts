import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateMeshConfig } from '../mesh-config/validate.ts';
import type { IstioOperatorSpec } from './schema.ts';

/** Checks the parts of an IstioOperator that the mesh reads. */
export function validateIstioOperator({ spec }: ConfigObject<IstioOperatorSpec>, report: Report): void {
  const at = report.at('spec');
  if (spec.meshConfig !== undefined) validateMeshConfig(spec.meshConfig, at.at('meshConfig'));
  for (const field of ['ingressGateways', 'egressGateways'] as const) {
    const seen = new Set<string>();
    for (const [i, { name = '', namespace = '' }] of (spec.components?.[field] ?? []).entries()) {
      const gateway = at.at('components', field, i, 'name');
      if (name === '') gateway.error('is required');
      else if (seen.has(`${namespace}/${name}`)) gateway.error(`is the second gateway named ${name}`);
      seen.add(`${namespace}/${name}`);
    }
  }
}
