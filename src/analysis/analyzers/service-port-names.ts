import { kubernetesProtocol } from '../../registry/protocol.ts';
import type { Analyzer } from '../analyzer.ts';
import { isControlPlane } from '../in-mesh.ts';
import { isSystemNamespace } from '../source.ts';

/** Ports of services whose name does not tell their protocol, so that proxies have to guess. */
export const servicePortNamesAnalyzer: Analyzer = {
  name: 'service.PortNameAnalyzer',
  description: 'Checks the port names associated with each service',
  analyze(context) {
    for (const service of context.list('Service')) {
      if (isSystemNamespace(service.namespace) || isControlPlane(service)) continue;
      const isExternalName = service.spec.type === 'ExternalName';
      for (const [i, { name = '', port = 0, targetPort = 0, protocol, appProtocol }] of (
        service.spec.ports ?? []
      ).entries()) {
        const known = kubernetesProtocol({ port, name, protocol, appProtocol }) !== 'Unsupported';
        if (known && !(name === 'tcp' && isExternalName)) continue;
        const place = ['spec', 'ports', i, 'port'];
        if (isExternalName) context.report('IST0150', service, [], place);
        else context.report('IST0118', service, [name, port, String(targetPort)], place);
      }
    }
  },
};
