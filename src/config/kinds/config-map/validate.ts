import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateEmbedded } from '../mesh-config/read.ts';
import type { ConfigMapSpec } from './schema.ts';

/** The ConfigMap that holds the configuration of the mesh: `istio`, or `istio-REVISION`. */
export function isMeshConfigMap({ metadata, spec }: ConfigObject<ConfigMapSpec>): boolean {
  return /^istio(-.+)?$/.test(metadata.name) && spec.data?.mesh !== undefined;
}

/** A ConfigMap may hold anything, but the mesh's own has to be a mesh configuration. */
export function validateConfigMap(object: ConfigObject<ConfigMapSpec>, report: Report): void {
  const { data = {}, binaryData = {} } = object.spec;
  for (const key of Object.keys(binaryData)) {
    if (key in data) report.error('is in data too', 'binaryData', key);
  }
  if (!isMeshConfigMap(object)) return;
  validateEmbedded(data.mesh!, 'mesh', report.at('data', 'mesh'));
  if (data.meshNetworks !== undefined)
    validateEmbedded(data.meshNetworks, 'meshNetworks', report.at('data', 'meshNetworks'));
}
