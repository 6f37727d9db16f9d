import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { isDnsSubdomain } from '../../validation/names.ts';
import type { RouteSpec } from './schema.ts';

/** The rules of OpenShift's API server for a Route. */
export function validateRoute({ spec }: ConfigObject<RouteSpec>, report: Report): void {
  const at = report.at('spec');
  const { host, subdomain, path, tls } = spec;
  if (host && !isDnsSubdomain(host)) at.error(`must be a host name, not ${JSON.stringify(host)}`, 'host');
  if (!host) at.warning(`has no effect without a host${subdomain ? ': there is no domain for the subdomain' : ''}`);
  if (path && !path.startsWith('/')) at.error('must begin with /', 'path');
  if ((spec.alternateBackends ?? []).length > 3) at.error('must have three backends at most', 'alternateBackends');
  if (tls === undefined) return;
  const inTls = at.at('tls');
  if (tls.termination === undefined) inTls.error('is required', 'termination');
  if (tls.termination === 'passthrough') {
    if (path) at.error('has no meaning with passthrough: nobody sees paths of what is encrypted', 'path');
    for (const field of ['certificate', 'key', 'caCertificate', 'destinationCACertificate'] as const) {
      if (tls[field]) inTls.error('must not be set with passthrough', field);
    }
    if (tls.insecureEdgeTerminationPolicy === 'Allow') {
      inTls.error('must be None or Redirect with passthrough', 'insecureEdgeTerminationPolicy');
    }
  }
  if (tls.termination === 'edge' && tls.destinationCACertificate) {
    inTls.error('must not be set with edge termination', 'destinationCACertificate');
  }
  if ((tls.certificate === undefined) !== (tls.key === undefined)) {
    inTls.error('must be set together with the other of certificate and key', tls.key ? 'key' : 'certificate');
  }
}
