import type { Labels } from '../../registry/labels.ts';
import { perObject } from '../../registry/reuse.ts';
import type { Service } from '../../registry/service.ts';
import type { DestinationRule } from '../index/destination-rules.ts';
import type { VirtualService } from '../index/virtual-service.ts';
import { Memo } from '../memo.ts';
import { httpRoutes, type RouteContext } from './http-route.ts';
import { RouteGroup } from './route-group.ts';

const groups = new Memo<RouteGroup>();

/**
 * The routes of a VirtualService for a proxy and a port. Made again only when the VirtualService changes, or a service or
 * DestinationRule to which it leads.
 */
export function virtualServiceRoutes(context: RouteContext, vs: VirtualService): RouteGroup {
  const { features, gateway, isTls, mesh, port } = context;
  const inputs: (object | undefined)[] = [vs, mesh, features];
  const destinations = destinationHosts(vs);
  const services: (Service | undefined)[] = [];
  const rules: (DestinationRule | undefined)[] = [];
  for (const host of destinations) {
    services.push(context.service(host));
    rules.push(context.rule(host));
  }
  inputs.push(...services, ...rules);
  return groups.get(inputs, `${port} ${gateway} ${isTls} ${callerKey([vs], context)}`, () => {
    const { routes, origins } = httpRoutes(context, vs);
    return new RouteGroup(routes, origins);
  });
}

/** Hosts to which the HTTP rules send, mirrors included. */
const destinationHosts = perObject((vs: VirtualService): readonly string[] => {
  const hosts = new Set<string>();
  for (const { route } of vs.http) {
    for (const { destination } of route.route ?? []) hosts.add(destination.host);
    if (route.mirror) hosts.add(route.mirror.host);
    for (const { destination } of route.mirrors ?? []) hosts.add(destination.host);
  }
  return [...hosts];
});

/** What conditions on the caller look at. */
const callerConditions = perObject((list: readonly VirtualService[]) => {
  const labels = new Set<string>();
  let namespace = false;
  for (const vs of list) {
    for (const { route } of vs.http) {
      for (const match of route.match ?? []) {
        for (const key of Object.keys(match.sourceLabels ?? {})) labels.add(key);
        if (match.sourceNamespace) namespace = true;
      }
    }
  }
  return { labels: [...labels].sort(), namespace };
});

/** Tells apart callers for whom conditions of these VirtualServices come out differently. */
export function callerKey(
  virtualServices: readonly VirtualService[],
  caller: { readonly labels: Labels; readonly namespace: string },
): string {
  const { labels, namespace } =
    virtualServices.length === 1 ? conditionsOfOne(virtualServices[0]!) : callerConditions(virtualServices);
  if (labels.length === 0 && !namespace) return '';
  return JSON.stringify([namespace ? caller.namespace : '', labels.map((key) => caller.labels[key] ?? null)]);
}

const conditionsOfOne = perObject((vs: VirtualService) => callerConditions([vs]));
