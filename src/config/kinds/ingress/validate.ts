import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import type { IngressBackend, IngressSpec } from './schema.ts';

/** What Kubernetes refuses in an Ingress: above all the fields of one version of its API in the other. */
export function validateIngress({ apiVersion, spec }: ConfigObject<IngressSpec>, report: Report): void {
  const at = report.at('spec');
  const isV1 = apiVersion === 'networking.k8s.io/v1';
  if (isV1 && spec.backend !== undefined) at.error('is called defaultBackend in networking.k8s.io/v1', 'backend');
  if (!isV1 && spec.defaultBackend !== undefined) at.error(`is called backend in ${apiVersion}`, 'defaultBackend');
  for (const field of ['backend', 'defaultBackend'] as const) {
    if (spec[field] !== undefined) validateBackend(spec[field], isV1, at.at(field));
  }
  for (const [i, rule] of (spec.rules ?? []).entries()) {
    for (const [j, path] of (rule.http?.paths ?? []).entries()) {
      const pathAt = at.at('rules', i, 'http', 'paths', j);
      if (path.backend === undefined) pathAt.error('is required', 'backend');
      else validateBackend(path.backend, isV1, pathAt.at('backend'));
      if (isV1 && path.pathType === undefined)
        pathAt.error('is required: Exact, Prefix or ImplementationSpecific', 'pathType');
    }
  }
}

function validateBackend(backend: IngressBackend, isV1: boolean, report: Report): void {
  if (isV1) {
    for (const field of ['serviceName', 'servicePort'] as const) {
      if (backend[field] !== undefined) report.error('is of v1beta1; write service.name and service.port', field);
    }
    if (backend.service === undefined && backend.resource === undefined)
      report.error('must have a service or a resource');
  } else {
    if (backend.service !== undefined) report.error('is of v1; write serviceName and servicePort', 'service');
    if (backend.serviceName === undefined && backend.resource === undefined) report.error('is required', 'serviceName');
  }
}
