import type { Analyzer } from '../analyzer.ts';
import { isControlPlane, PROXY_CONTAINER } from '../in-mesh.ts';

/** The user as whom sidecars run: what they send is not captured. */
const PROXY_UID = 1337;

/** Programs that run as the sidecar's user, whose traffic therefore goes past the sidecar. */
export const applicationUidAnalyzer: Analyzer = {
  name: 'applicationUID.Analyzer',
  description: 'Checks invalid application UID',
  analyze(context) {
    const pods = context.list('Pod').map((resource) => ({ resource, spec: resource.spec, path: ['spec'] }));
    const deployments = context
      .list('Deployment')
      .map((resource) => ({ resource, spec: resource.spec.template?.spec, path: ['spec', 'template', 'spec'] }));
    for (const { resource, spec, path } of [...pods, ...deployments]) {
      if (isControlPlane(resource)) continue;
      const field = ['securityContext', 'runAsUser'];
      if (spec?.securityContext?.runAsUser === PROXY_UID) {
        context.report('IST0144', resource, [], [...path, ...field]);
        continue;
      }
      const index = (spec?.containers ?? []).findIndex(
        ({ name, securityContext }) =>
          name !== PROXY_CONTAINER && name !== 'istio-operator' && securityContext?.runAsUser === PROXY_UID,
      );
      if (index !== -1) context.report('IST0144', resource, [], [...path, 'containers', index, ...field]);
    }
  },
};
