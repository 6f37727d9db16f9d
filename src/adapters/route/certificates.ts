import type { RouteSpec } from '../../config/kinds/route/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';
import type { Warn } from '../adapter.ts';

export type Route = ConfigObject<RouteSpec>;

/** In PEM. */
interface Certificate {
  readonly chain: string;
  readonly key: string;
}

/** The certificate with which a Route terminates TLS: its own, or that of a Secret beside it. */
export function certificateOf(route: Route, config: ConfigSnapshot, warn: Warn): Certificate | undefined {
  const { certificate, key, caCertificate, externalCertificate } = route.spec.tls ?? {};
  if (certificate && key) return { chain: [certificate, caCertificate ?? ''].map(lineEnd).join(''), key: lineEnd(key) };
  const { namespace } = route.metadata;
  const name = externalCertificate?.name;
  if (!name) {
    warn(route, ['spec', 'tls'], 'has no effect without certificate and key: there is no certificate of the router');
    return undefined;
  }
  const { data, stringData } = config.get('Secret', namespace, name)?.spec ?? {};
  const text = (field: string) => stringData?.[field] ?? (data?.[field] && Buffer.from(data[field]).toString('utf8'));
  const [chain, ownKey] = [text('tls.crt'), text('tls.key')];
  if (chain === undefined || ownKey === undefined) {
    const path = ['spec', 'tls', 'externalCertificate', 'name'];
    warn(route, path, `has no effect: there is no secret ${name} of type kubernetes.io/tls in the namespace`);
    return undefined;
  }
  return { chain, key: ownKey };
}

/** The body of a Secret as gateways take it. */
export function certificateSecret({ chain, key }: Certificate): object {
  return { type: 'kubernetes.io/tls', stringData: { 'tls.crt': chain, 'tls.key': key } };
}

/** The body of a Secret with the authority that a service's certificate has to be from. */
export function destinationSecret(authority: string): object {
  return { type: 'Opaque', stringData: { 'ca.crt': lineEnd(authority) } };
}

function lineEnd(pem: string): string {
  return pem === '' || pem.endsWith('\n') ? pem : `${pem}\n`;
}
