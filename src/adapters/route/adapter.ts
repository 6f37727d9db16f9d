import { createHash } from 'node:crypto';
import { gatewayNamespace, gatewaySelector } from '../../config/default-gateway.ts';
import type { MeshConfig } from '../../config/kinds/mesh-config/schema.ts';
import type { RouteBackend } from '../../config/kinds/route/schema.ts';
import type { FieldPath } from '../../config/object.ts';
import type { ConfigSnapshot } from '../../config/store/snapshot.ts';
import { isHostLabel } from '../../config/validation/hosts.ts';
import type { Adapter, MadeObject, Warn } from '../adapter.ts';
import { certificateOf, certificateSecret, destinationSecret, type Route } from './certificates.ts';
import { destinationRule, visibleRule } from './encrypted-anew.ts';

interface Destination {
  readonly destination: { readonly host: string; readonly port: { readonly number: number }; readonly subset?: string };
  readonly weight: number;
}

/**
 * OpenShift's Routes: each becomes a Gateway of the mesh's ingress gateway and a VirtualService, with what its termination
 * of TLS wants besides, which is a Secret of its certificate, and a DestinationRule where it encrypts anew.
 */
export const routeAdapter: Adapter = {
  inputs(config, mesh) {
    const routes = config.list('Route');
    if (routes.length === 0) return [];
    const rules = routes.some(isEncryptedAnew) ? config.list('DestinationRule') : [];
    return [mesh, ...routes, null, ...config.list('Service'), null, ...config.list('Secret'), null, ...rules];
  },
  make: (config, mesh, warn) => config.list('Route').flatMap((route) => objectsOf(route, config, mesh, warn)),
};

/**
 * What is made of a Route has its name and namespace in it, for it lies where the gateway is. A Route may have dots in its
 * name and be called at length; a Gateway that is referred to, and a subset, may not.
 */
function nameOf({ metadata }: Route, what?: string): string {
  const name = `${metadata.name}-${metadata.namespace}-route`;
  const own = isHostLabel(name) ? name : `route-${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
  return what === undefined ? own : `${own}-${what}`;
}

function objectsOf(route: Route, config: ConfigSnapshot, mesh: MeshConfig, warn: Warn): MadeObject[] {
  const { spec } = route;
  if (!spec.host) return [];
  const destinations = destinationsOf(route, config, warn);
  if (destinations.length === 0) return [];
  const namespace = gatewayNamespace(mesh);
  const host = spec.wildcardPolicy === 'Subdomain' ? spec.host.replace(/^[^.]*/, '*') : spec.host;
  const make = (kind: string, name: string, inNamespace: string, body: object, path: FieldPath = ['spec']) =>
    made(route, kind, name, inNamespace, body, path);
  const termination = spec.tls?.termination;
  const isPassthrough = termination === 'passthrough';
  const secret = nameOf(route, 'certificate');
  const objects: MadeObject[] = [];
  const servers: object[] = [];
  if (isPassthrough) {
    servers.push({ port: port(443, 'TLS'), hosts: [host], tls: { mode: 'PASSTHROUGH' } });
  } else if (termination !== undefined) {
    const certificate = certificateOf(route, config, warn);
    if (certificate === undefined) return [];
    objects.push(make('Secret', secret, namespace, certificateSecret(certificate), ['spec', 'tls']));
    servers.push({ port: port(443, 'HTTPS'), hosts: [host], tls: { mode: 'SIMPLE', credentialName: secret } });
  }
  const insecure = spec.tls === undefined ? 'Allow' : (spec.tls.insecureEdgeTerminationPolicy ?? 'None');
  if (insecure === 'Allow') servers.push({ port: port(80, 'HTTP'), hosts: [host] });
  if (insecure === 'Redirect') {
    servers.push({ port: port(80, 'HTTP'), hosts: [host], tls: { httpsRedirect: true } });
  }
  objects.push(make('Gateway', nameOf(route), namespace, { spec: { selector: gatewaySelector(mesh), servers } }));
  const match = spec.path ? { match: [{ uri: { prefix: spec.path } }] } : {};
  const routing = isPassthrough
    ? {
        tls: [{ match: [{ port: 443, sniHosts: [host] }], route: destinations }],
        // What comes in plain is sent elsewhere by the gateway, which wants a route for it all the same.
        ...(insecure === 'Redirect' ? { http: [{ route: destinations }] } : {}),
      }
    : { http: [{ ...match, route: destinations }] };
  objects.push(
    make('VirtualService', nameOf(route), route.metadata.namespace, {
      spec: { hosts: [host], gateways: [`${namespace}/${nameOf(route)}`], ...routing },
    }),
  );
  if (isEncryptedAnew(route)) objects.push(...encryptedAnew(route, config, mesh, destinations, warn));
  return objects;
}

const isEncryptedAnew = ({ spec }: Route) => spec.tls?.termination === 'reencrypt';

/** How the gateway, and nobody else, reaches the services of a Route that encrypts anew. */
function encryptedAnew(
  route: Route,
  config: ConfigSnapshot,
  mesh: MeshConfig,
  destinations: readonly Destination[],
  warn: Warn,
): MadeObject[] {
  const authority = route.spec.tls?.destinationCACertificate;
  if (!authority) {
    warn(route, ['spec', 'tls'], 'needs destinationCACertificate: there is no authority that signs for services');
  }
  const namespace = gatewayNamespace(mesh);
  const secret = nameOf(route, 'destination');
  // Without the authority nothing is trusted, rather than anything.
  const objects = authority
    ? [made(route, 'Secret', secret, namespace, destinationSecret(authority), ['spec', 'tls'])]
    : [];
  const rules = destinations.map(({ destination: { host } }, i) => {
    const hidden = visibleRule(config, mesh, { host, namespace: route.metadata.namespace });
    const body = destinationRule(host, nameOf(route), secret, gatewaySelector(mesh), hidden);
    return made(route, 'DestinationRule', nameOf(route, String(i)), namespace, body);
  });
  return [...objects, ...rules];
}

function port(number: number, protocol: string) {
  return { number, protocol, name: `${protocol.toLowerCase()}-${number}` };
}

function made(
  route: Route,
  kind: string,
  name: string,
  namespace: string,
  body: object,
  path: FieldPath = ['spec'],
): MadeObject {
  const created = route.metadata.creationTimestamp;
  const age = created > 0 ? { creationTimestamp: new Date(created).toISOString() } : {};
  return {
    raw: {
      apiVersion: kind === 'Secret' ? 'v1' : 'networking.istio.io/v1',
      kind,
      metadata: { name, namespace, ...age },
      ...body,
    },
    origin: () => ({ object: route, path }),
  };
}

function destinationsOf(route: Route, config: ConfigSnapshot, warn: Warn): Destination[] {
  const { to, alternateBackends = [] } = route.spec;
  const backends: (readonly [RouteBackend, FieldPath])[] = [
    [to, ['spec', 'to']],
    ...alternateBackends.map((backend, i) => [backend, ['spec', 'alternateBackends', i]] as const),
  ];
  return backends.flatMap(([{ name, weight = 100 }, path]) => {
    const number = portOf(route, name, config);
    if (typeof number === 'string') {
      warn(route, path, `has no effect: ${number}`);
      return [];
    }
    const host = `${name}.${route.metadata.namespace}.svc.cluster.local`;
    const subset = isEncryptedAnew(route) ? { subset: nameOf(route) } : {};
    return [{ destination: { host, port: { number }, ...subset }, weight }];
  });
}

/** The port of a service that a Route means, which names it by what pods listen on; or why there is none. */
function portOf({ metadata, spec }: Route, name: string, config: ConfigSnapshot): number | string {
  const service = config.get('Service', metadata.namespace, name);
  if (service === undefined) return `there is no service ${name} in the namespace`;
  const ports = service.spec.ports ?? [];
  const wanted = spec.port?.targetPort;
  const found =
    wanted === undefined || wanted === 0 || wanted === ''
      ? ports[0]
      : (ports.find((p) => p.name === wanted || (p.targetPort || p.port) === wanted) ??
        ports.find((p) => p.port === wanted));
  return found?.port ?? `the service ${name} has no port ${JSON.stringify(wanted)}`;
}
