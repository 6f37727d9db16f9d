import type { MeshConfig } from '../../config/kinds/mesh-config/schema.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';
import type { Adapter, MadeObject, Warn } from '../adapter.ts';
import { Findings } from './findings.ts';
import { makeEnroute } from './make.ts';

const KINDS = [
  'GatewayHost',
  'ServiceRoute',
  'GlobalConfig',
  'HttpFilter',
  'RouteFilter',
  'PolicyOverlay',
  'TLSCertificateDelegation',
] as const;
/** What else decides what is made of them. */
const AROUND = ['Service', 'Secret', 'Deployment', 'StatefulSet', 'ReplicaSet', 'Pod'] as const;

/** EnRoute's kinds (enroute.saaras.io): see docs/enroute.md. */
export const enrouteAdapter: Adapter = {
  inputs(config, mesh) {
    if (config.list('GatewayHost').length === 0 && config.list('ServiceRoute').length === 0) return [];
    return [mesh, ...[...KINDS, ...AROUND].flatMap((kind) => [...config.list(kind), null])];
  },
  make(config: ConfigSnapshot, mesh: MeshConfig, warn: Warn): readonly MadeObject[] {
    const findings = new Findings();
    const made = makeEnroute(config, mesh, findings);
    for (const { object, path, message } of findings.all) warn(object, path, message);
    return made;
  },
};
