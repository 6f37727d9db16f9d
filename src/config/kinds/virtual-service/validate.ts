import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { hasGatewaySemantics } from '../../validation/annotations.ts';
import { validateDestination, validateTotalWeight } from '../../validation/destinations.ts';
import { validateExportTo } from '../../validation/export-to.ts';
import { validateGatewayNames } from '../../validation/gateways.ts';
import { jwtClaims } from '../../validation/headers.ts';
import { checkIpOrCidr, checkWildcardName, coversHost, hostsOverlap, isIpAddress } from '../../validation/hosts.ts';
import { checkPort } from '../../validation/ports.ts';
import { validateLabels } from '../../validation/selectors.ts';
import type { RouteDestination, TcpMatch, TlsMatch, VirtualServiceSpec } from './schema.ts';
import { reportUnreachable } from './unreachable.ts';
import { validateHttpRoute } from './validate-http.ts';

/** The name that stands for all sidecars in `gateways`. */
export const MESH_GATEWAY = 'mesh';

/** What Istio's validation refuses or warns about in a VirtualService. */
export function validateVirtualService(object: ConfigObject<VirtualServiceSpec>, report: Report): void {
  const { spec, metadata } = object;
  const isConverted = hasGatewaySemantics(object);
  const at = report.at('spec');
  const isDelegate = (spec.hosts ?? []).length === 0;
  if (isDelegate) {
    const kept = ['gateways', 'tls', 'tcp'] as const;
    for (const field of kept) {
      if ((spec[field] ?? []).length > 0)
        at.error('cannot be set without hosts: a delegate has http routes only', field);
    }
  }
  validateGatewayNames(spec.gateways, at.at('gateways'), isConverted);
  const onlyGateways = isBoundToGatewaysOnly(spec);
  if (!onlyGateways) refuseClaims(spec, at);
  validateHosts(spec, onlyGateways, at);
  const { http = [], tls = [], tcp = [] } = spec;
  if (http.length + tls.length + tcp.length === 0) at.error('must have at least one of http, tls and tcp');
  for (const [i, route] of http.entries()) validateHttpRoute(route, { isDelegate, isConverted }, at.at('http', i));
  for (const [i, route] of tls.entries()) {
    const routeAt = at.at('tls', i);
    if ((route.match ?? []).length === 0) routeAt.error('must have at least one match', 'match');
    for (const [j, match] of (route.match ?? []).entries()) validateTlsMatch(match, spec, routeAt.at('match', j));
    validateRoute(route.route ?? [], isConverted, routeAt.at('route'));
  }
  for (const [i, route] of tcp.entries()) {
    const routeAt = at.at('tcp', i);
    for (const [j, match] of (route.match ?? []).entries()) validateTcpMatch(match, routeAt.at('match', j));
    validateRoute(route.route ?? [], isConverted, routeAt.at('route'));
  }
  validateExportTo(spec.exportTo, metadata.namespace, at.at('exportTo'));
  reportUnreachable(spec, at);
}

/** Sidecars are bound unless gateways are named and `mesh` is not among them. */
function isBoundToGatewaysOnly(spec: VirtualServiceSpec): boolean {
  const gateways = spec.gateways ?? [];
  return gateways.length > 0 && !gateways.includes(MESH_GATEWAY);
}

/** Only a gateway verifies tokens before it routes. */
function refuseClaims(spec: VirtualServiceSpec, report: Report): void {
  for (const [i, route] of (spec.http ?? []).entries()) {
    for (const [j, match] of (route.match ?? []).entries()) {
      for (const field of ['headers', 'withoutHeaders'] as const) {
        for (const name of Object.keys(match[field] ?? {})) {
          if (jwtClaims(name) === undefined) continue;
          report.error(
            'matches on a claim of a token, which works at gateways only',
            'http',
            i,
            'match',
            j,
            field,
            name,
          );
        }
      }
    }
  }
}

function validateHosts(spec: VirtualServiceSpec, onlyGateways: boolean, report: Report): void {
  const hosts = spec.hosts ?? [];
  const hasSni = (spec.tls ?? []).some((route) =>
    (route.match ?? []).some((match) => (match.sniHosts ?? []).length > 0),
  );
  let valid = true;
  for (const [i, host] of hosts.entries()) {
    let wrong = onlyGateways ? checkGatewayHost(host, hasSni) : checkWildcardName(host);
    if (wrong !== undefined && isIpAddress(host)) wrong = undefined;
    else if (wrong === undefined && host === '*' && !onlyGateways) {
      wrong = 'must not be "*" unless the routes are for gateways only: it would match every service of the mesh';
    }
    if (wrong === undefined) continue;
    report.error(wrong, 'hosts', i);
    valid = false;
  }
  if (!valid) return;
  for (const [i, host] of hosts.entries()) {
    const other = hosts.slice(0, i).find((earlier) => hostsOverlap(earlier, host));
    if (other !== undefined) report.error(`has ${host}, which ${other} covers already`, 'hosts', i);
  }
}

/** Names such as `outbound_.80_._.web.default.svc.cluster.local`, which AUTO_PASSTHROUGH gateways route by. */
const AUTO_PASSTHROUGH_NAME = /outbound_.([0-8].*).*/;

function checkGatewayHost(host: string, isSni: boolean): string | undefined {
  if (isSni && host.length <= 255 && host.split('.')[0] === 'outbound_') {
    return AUTO_PASSTHROUGH_NAME.test(host)
      ? undefined
      : `is not a name of the form outbound_.PORT_.SUBSET_.HOST: ${host}`;
  }
  return checkWildcardName(host);
}

function validateTlsMatch(match: TlsMatch, spec: VirtualServiceSpec, report: Report): void {
  if ((match.sniHosts ?? []).length === 0) report.error('must have at least one host', 'sniHosts');
  for (const [i, sni] of (match.sniHosts ?? []).entries()) {
    const wrong = isGatewaySpec(spec) ? checkGatewayHost(sni, true) : checkWildcardName(sni);
    if (wrong !== undefined) {
      if (isIpAddress(sni)) report.warning('is an IP address, which clients do not send as SNI', 'sniHosts', i);
      else report.error(wrong, 'sniHosts', i);
    } else if (!(spec.hosts ?? []).some((host) => coversHost(host, sni))) {
      report.error(
        `is not within any of the hosts of the VirtualService: ${(spec.hosts ?? []).join(', ')}`,
        'sniHosts',
        i,
      );
    }
  }
  validateTcpMatch(match, report);
}

/** For SNI hosts Istio takes a VirtualService without gateways for one of a gateway. */
function isGatewaySpec(spec: VirtualServiceSpec): boolean {
  return !(spec.gateways ?? []).includes(MESH_GATEWAY);
}

function validateTcpMatch(match: TcpMatch | TlsMatch, report: Report): void {
  for (const [i, subnet] of (match.destinationSubnets ?? []).entries()) {
    report.check(checkIpOrCidr(subnet), 'destinationSubnets', i);
  }
  if (match.port) report.check(checkPort(match.port), 'port');
  validateLabels(match.sourceLabels, report.at('sourceLabels'));
  validateGatewayNames(match.gateways, report.at('gateways'));
}

function validateRoute(destinations: readonly RouteDestination[], isConverted: boolean, report: Report): void {
  if (destinations.length === 0) report.error('is required');
  for (const [i, { destination, weight = 0 }] of destinations.entries()) {
    if (!isConverted) validateDestination(destination, report.at(i, 'destination'));
    if (weight < 0) report.error(`must not be negative, is ${weight}`, i, 'weight');
  }
  validateTotalWeight(destinations, report);
}
