import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { checkDnsName, checkIpAddress } from '../../validation/hosts.ts';
import { isDnsLabel } from '../../validation/names.ts';
import type { ServiceSpec } from './schema.ts';

/** What Kubernetes refuses in a Service, as far as it concerns the mesh. */
export function validateService({ spec }: ConfigObject<ServiceSpec>, report: Report): void {
  const at = report.at('spec');
  const { type = 'ClusterIP', ports = [], clusterIP, externalName } = spec;
  if (type === 'ExternalName') {
    if (!externalName) at.error('is required for type ExternalName', 'externalName');
    else at.check(checkDnsName(externalName), 'externalName');
  } else if (ports.length === 0 && clusterIP !== 'None') at.error('must have at least one port', 'ports');
  if (clusterIP && clusterIP !== 'None') at.check(checkIpAddress(clusterIP), 'clusterIP');
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [i, { name = '', port, protocol = 'TCP' }] of ports.entries()) {
    const portAt = at.at('ports', i);
    if (name === '' && ports.length > 1) portAt.error('is required when there are several ports', 'name');
    else if (name !== '' && !isDnsLabel(name))
      portAt.error(`must be lower-case letters, digits and -, not ${JSON.stringify(name)}`, 'name');
    else if (name !== '' && names.has(name)) portAt.error(`is the second port named ${name}`, 'name');
    names.add(name);
    if (numbers.has(`${protocol}/${port}`)) portAt.error(`is the second ${protocol} port with number ${port}`, 'port');
    numbers.add(`${protocol}/${port}`);
  }
}
