import type { Destination } from '../../config/kinds/shared/destination.ts';
import type { FieldPath } from '../../config/object.ts';
import type { Loose, Resource } from '../resource.ts';

/** Somewhere that a VirtualService sends requests. */
export interface RouteDestination {
  readonly destination: Loose<Destination>;
  /** Of the host. */
  readonly path: FieldPath;
  readonly mirror: boolean;
}

/** The destinations of a VirtualService, mirrors last. */
export function destinationsOf({ spec }: Resource<'VirtualService'>): RouteDestination[] {
  const result: RouteDestination[] = [];
  for (const protocol of ['tcp', 'tls', 'http'] as const) {
    for (const [i, { route = [] }] of (spec[protocol] ?? []).entries()) {
      for (const [j, { destination }] of route.entries()) {
        if (destination === undefined) continue;
        const path = ['spec', protocol, i, 'route', j, 'destination', 'host'];
        result.push({ destination, path, mirror: false });
      }
    }
  }
  for (const [i, { mirror, mirrors = [] }] of (spec.http ?? []).entries()) {
    const path = ['spec', 'http', i];
    if (mirror !== undefined) result.push({ destination: mirror, path: [...path, 'mirror', 'host'], mirror: true });
    for (const [j, { destination }] of mirrors.entries()) {
      if (destination === undefined) continue;
      result.push({ destination, path: [...path, 'mirrors', j, 'destination', 'host'], mirror: true });
    }
  }
  return result;
}
