import type { Report } from '../../report.ts';
import {
  checkDnsName,
  checkIpAddress,
  checkIpOrCidr,
  checkWildcardName,
  isHostLabel,
  isIpAddress,
} from '../../validation/hosts.ts';
import { validateLocalityLoadBalancer, validateZoneAwareLoadBalancer } from '../../validation/locality.ts';
import { checkPort } from '../../validation/ports.ts';
import { validateHttpRetry } from '../../validation/retries.ts';
import { checkDuration } from '../../validation/scalars.ts';
import { validateClientTls } from '../../validation/tls.ts';
import { validateConnectionPool, validateOutlierDetection } from '../../validation/traffic-policy.ts';
import type { MeshNetworks } from './networks.ts';
import type { MeshConfig } from './schema.ts';
import { validateExtensionProviders } from './validate-providers.ts';
import { validateMeshProxyConfig } from './validate-proxy.ts';

const MAX_CONNECT_TIMEOUT = 3_600_000;

/** What istiod refuses or warns about in the configuration of a mesh, as a person wrote it: without defaults. */
export function validateMeshConfig(mesh: MeshConfig, report: Report): void {
  for (const field of ['proxyListenPort', 'proxyInboundListenPort'] as const) {
    if (mesh[field] !== undefined) report.check(checkPort(mesh[field]), field);
  }
  if (mesh.connectTimeout !== undefined) {
    const long = mesh.connectTimeout > MAX_CONNECT_TIMEOUT ? 'must be at most 1h' : undefined;
    report.check(checkDuration(mesh.connectTimeout) ?? long, 'connectTimeout');
  }
  if (mesh.protocolDetectionTimeout)
    report.check(checkDuration(mesh.protocolDetectionTimeout), 'protocolDetectionTimeout');
  if (mesh.defaultConfig !== undefined) validateMeshProxyConfig(mesh.defaultConfig, report.at('defaultConfig'));
  validateLocalityLoadBalancer(mesh.localityLbSetting, {}, report.at('localityLbSetting'));
  if (mesh.localityLbSetting !== undefined && mesh.zoneAwareLbSetting !== undefined) {
    report.error('must not be set beside localityLbSetting', 'zoneAwareLbSetting');
  }
  validateZoneAwareLoadBalancer(mesh.zoneAwareLbSetting, {}, report.at('zoneAwareLbSetting'));
  if (mesh.serviceEntryVisibility !== undefined && !mesh.serviceEntryVisibility.applyToSidecars) {
    report.warning(
      'has no effect without applyToSidecars: true: it is otherwise for ambient proxies, of which there are none',
      'serviceEntryVisibility',
    );
  }
  for (const [i, { hosts = [] }] of (mesh.serviceSettings ?? []).entries()) {
    for (const [j, host] of hosts.entries()) report.check(checkWildcardName(host), 'serviceSettings', i, 'hosts', j);
  }
  if (mesh.trustDomain !== undefined) report.check(checkTrustDomain(mesh.trustDomain), 'trustDomain');
  for (const [i, alias] of (mesh.trustDomainAliases ?? []).entries())
    report.check(checkTrustDomain(alias), 'trustDomainAliases', i);
  validateExtensionProviders(mesh, report);
  if (mesh.meshMTLS?.ecdhCurves !== undefined)
    report.error('is not supported here, only in tlsDefaults', 'meshMTLS', 'ecdhCurves');
  validateCurves(mesh.tlsDefaults?.ecdhCurves ?? [], report.at('tlsDefaults', 'ecdhCurves'));
  validateHttpRetry(mesh.defaultHttpRetryPolicy, report.at('defaultHttpRetryPolicy'));
  validateConnectionPool(
    mesh.defaultTrafficPolicy?.connectionPool,
    report.at('defaultTrafficPolicy', 'connectionPool'),
  );
  validateOutlierDetection(
    mesh.defaultTrafficPolicy?.outlierDetection,
    report.at('defaultTrafficPolicy', 'outlierDetection'),
  );
  validateClientTls(mesh.ca?.tlsSettings, report.at('ca', 'tlsSettings'));
}

/** Labels joined by dots; not necessarily the name of a host. */
function checkTrustDomain(domain: string): string | undefined {
  const labels = domain.replace(/\.$/, '').split('.');
  return labels.every(isHostLabel)
    ? undefined
    : `must be a trust domain such as cluster.local, not ${JSON.stringify(domain)}`;
}

const CURVES = new Set(['P-224', 'P-256', 'P-384', 'P-521', 'X25519', 'CECPQ2', 'X25519MLKEM768']);

function validateCurves(curves: readonly string[], report: Report): void {
  for (const [i, curve] of curves.entries()) {
    if (curve !== '' && !CURVES.has(curve)) report.warning(`is not a curve that Envoy knows: ${curve}`, i);
    else if (curves.indexOf(curve) < i) report.warning(`is in the list twice: ${curve}`, i);
  }
}

/** What istiod refuses in the networks of a mesh. */
export function validateMeshNetworks({ networks = {} }: MeshNetworks, report: Report): void {
  for (const [name, { endpoints = [], gateways = [] }] of Object.entries(networks)) {
    const at = report.at('networks', name);
    for (const [i, { fromCidr, fromRegistry }] of endpoints.entries()) {
      if (fromCidr !== undefined) at.check(checkIpOrCidr(fromCidr), 'endpoints', i, 'fromCidr');
      if (fromRegistry !== undefined && !isHostLabel(fromRegistry)) {
        at.error(`must be the name of a registry, not ${JSON.stringify(fromRegistry)}`, 'endpoints', i, 'fromRegistry');
      }
    }
    for (const [i, { registryServiceName, address, port = 0 }] of gateways.entries()) {
      const gatewayAt = at.at('gateways', i);
      if (registryServiceName !== undefined) gatewayAt.check(checkDnsName(registryServiceName), 'registryServiceName');
      if (address !== undefined && !isIpAddress(address) && checkDnsName(address) !== undefined)
        gatewayAt.check(checkIpAddress(address), 'address');
      gatewayAt.check(checkPort(port), 'port');
    }
  }
}
