import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import type { SecretSpec } from './schema.ts';

/** What Kubernetes refuses in a Secret, as far as it concerns the mesh. No value of a secret is ever part of a message. */
export function validateSecret({ spec }: ConfigObject<SecretSpec>, report: Report): void {
  const keys = new Set([...Object.keys(spec.data ?? {}), ...Object.keys(spec.stringData ?? {})]);
  for (const key of keys) {
    if (!/^[-._a-zA-Z0-9]+$/.test(key))
      report.error(`has the key ${JSON.stringify(key)}; keys are letters, digits, -, _ and .`, 'data');
  }
  if (spec.type !== 'kubernetes.io/tls') return;
  for (const key of ['tls.crt', 'tls.key'])
    if (!keys.has(key)) report.error('is required for type kubernetes.io/tls', 'data', key);
}
