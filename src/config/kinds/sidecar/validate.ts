import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateDestination } from '../../validation/destinations.ts';
import { checkBind, checkEgressHost } from '../../validation/gateways.ts';
import { checkDnsName, checkIpAddress } from '../../validation/hosts.ts';
import { checkPort, checkPortName, checkProtocol, isHttp, parseProtocol } from '../../validation/ports.ts';
import { checkUnixPath, UNIX_PREFIX } from '../../validation/scalars.ts';
import { validateLabelsSelector } from '../../validation/selectors.ts';
import { validateServerTls } from '../../validation/tls.ts';
import { validateConnectionPool } from '../../validation/traffic-policy.ts';
import type { Port } from '../shared/port.ts';
import type { ServerTls } from '../shared/tls.ts';
import type { EgressListener, IngressListener, SidecarSpec } from './schema.ts';

/** What Istio's validation refuses or warns about in a Sidecar. */
export function validateSidecar({ spec, metadata }: ConfigObject<SidecarSpec>, report: Report): void {
  const at = report.at('spec');
  validateLabelsSelector(spec.workloadSelector, at.at('workloadSelector'));
  const { ingress = [], egress = [] } = spec;
  if (
    ingress.length + egress.length === 0 &&
    spec.outboundTrafficPolicy === undefined &&
    spec.inboundConnectionPool === undefined
  ) {
    at.error('must have at least one of ingress, egress, outboundTrafficPolicy and inboundConnectionPool');
  }
  const ports = new Set<number>();
  for (const [i, listener] of ingress.entries()) {
    const number = listener.port.number ?? 0;
    if (ports.has(number)) at.error(`is the second listener on port ${number}`, 'ingress', i, 'port', 'number');
    ports.add(number);
    validateIngress(listener, at.at('ingress', i));
  }
  validateConnectionPool(spec.inboundConnectionPool, at.at('inboundConnectionPool'));
  validateEgressListeners(egress, at.at('egress'));
  for (const [i, listener] of egress.entries())
    validateEgressHosts(listener, metadata.namespace, at.at('egress', i, 'hosts'));
  validateOutboundPolicy(spec, at.at('outboundTrafficPolicy'));
}

function validatePort(port: Port, report: Report): void {
  if (port.name) report.check(checkPortName(port.name), 'name');
  if (port.protocol) report.check(checkProtocol(port.protocol), 'protocol');
  if (port.targetPort) report.error('has no meaning for a Sidecar', 'targetPort');
}

function validateIngress(listener: IngressListener, report: Report): void {
  const { port, bind, defaultEndpoint, tls, connectionPool } = listener;
  validatePort(port, report.at('port'));
  report.check(checkPort(port.number ?? 0), 'port', 'number');
  if (bind) report.check(checkIpAddress(bind), 'bind');
  if (defaultEndpoint) report.check(checkDefaultEndpoint(defaultEndpoint), 'defaultEndpoint');
  if (tls !== undefined) validateIngressTls(tls, port, report.at('tls'));
  validateConnectionPool(connectionPool, report.at('connectionPool'));
  if (connectionPool?.http !== undefined && !isHttp(parseProtocol(port.protocol))) {
    report.warning(`has no effect on a port of protocol ${port.protocol || 'unset'}`, 'connectionPool', 'http');
  }
}

const ENDPOINT_HOSTS = new Set(['', '127.0.0.1', '0.0.0.0', '::1', '::']);

function checkDefaultEndpoint(endpoint: string): string | undefined {
  if (endpoint.startsWith(UNIX_PREFIX)) return checkUnixPath(endpoint.slice(UNIX_PREFIX.length));
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(endpoint);
  const host = match?.[1] ?? match?.[2] ?? '';
  if (match === null || !ENDPOINT_HOSTS.has(host)) {
    return `must be 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT, :PORT or unix://PATH, not ${JSON.stringify(endpoint)}`;
  }
  return /^[-+]?\d+$/.test(match[3]!)
    ? checkPort(Number(match[3]))
    : `must end in a port number, not ${JSON.stringify(match[3])}`;
}

function validateIngressTls(tls: ServerTls, port: Port, report: Report): void {
  if ((tls.subjectAltNames ?? []).length > 0) report.error('is not supported in a Sidecar', 'subjectAltNames');
  if (tls.httpsRedirect) report.error('is not supported in a Sidecar', 'httpsRedirect');
  if (tls.credentialName)
    report.error('is not supported in a Sidecar; name the files of the certificate', 'credentialName');
  for (const field of ['credentialNames', 'tlsCertificates'] as const) {
    if ((tls[field] ?? []).length > 0)
      report.error('is not supported in a Sidecar; name the files of the certificate', field);
  }
  if (tls.mode === 'ISTIO_MUTUAL' || tls.mode === 'AUTO_PASSTHROUGH') {
    report.error(`must not be ${tls.mode} in a Sidecar`, 'mode');
  }
  const protocol = parseProtocol(port.protocol);
  if (protocol !== 'HTTPS' && protocol !== 'TLS') {
    report.error(`must not be set for protocol ${port.protocol || 'unset'}, only for HTTPS and TLS`);
  }
  validateServerTls(tls, report);
}

function validateEgressListeners(listeners: readonly EgressListener[], report: Report): void {
  const ports = new Set<number>();
  const sockets = new Set<string>();
  for (const [i, { port, bind = '', captureMode = 'DEFAULT' }] of listeners.entries()) {
    const at = report.at(i);
    if (port === undefined) {
      if (i !== listeners.length - 1) at.error('has no port, so it takes the rest and must be the last listener');
      continue;
    }
    validatePort(port, at.at('port'));
    const number = port.number ?? 0;
    if (number === 0) {
      if (!bind.startsWith(UNIX_PREFIX))
        at.error('must be a Unix domain socket (unix://...) when the port is 0', 'bind');
      else at.check(checkBind(bind), 'bind');
      if (captureMode === 'IPTABLES') at.error('must be DEFAULT or NONE for a Unix domain socket', 'captureMode');
      if (sockets.has(bind)) at.error(`is the second listener on ${bind}`, 'bind');
      sockets.add(bind);
    } else {
      at.check(checkPort(number), 'port', 'number');
      if (bind !== '') at.check(checkIpAddress(bind), 'bind');
      if (ports.has(number)) at.error(`is the second listener on port ${number}`, 'port', 'number');
      ports.add(number);
    }
  }
}

function validateEgressHosts({ hosts }: EgressListener, namespace: string, report: Report): void {
  if (hosts.length === 0) report.error('must have at least one host');
  const seen = new Map<string, Set<string>>();
  for (const [i, host] of hosts.entries()) {
    report.check(checkEgressHost(host), i);
    const slash = host.indexOf('/');
    if (slash === -1) continue;
    const from = host.slice(0, slash) === '.' ? namespace : host.slice(0, slash);
    const name = host.slice(slash + 1);
    const names = seen.get(from) ?? new Set();
    if (name === '*' ? names.size > 0 : names.has(name) || names.has('*')) {
      report.warning(`is covered by other hosts of the list: ${host}`, i);
    }
    seen.set(from, names.add(name));
  }
  if (seen.get('*')?.has('*') && seen.size > 1)
    report.warning('has "*/*", which selects everything, beside other hosts');
}

function validateOutboundPolicy({ outboundTrafficPolicy }: SidecarSpec, report: Report): void {
  const proxy = outboundTrafficPolicy?.egressProxy;
  if (proxy === undefined) return;
  if (outboundTrafficPolicy?.mode !== 'ALLOW_ANY')
    report.error('can be set only when mode is ALLOW_ANY', 'egressProxy');
  else {
    report.check(checkDnsName(proxy.host), 'egressProxy', 'host');
    if (proxy.port === undefined) report.error('is required', 'egressProxy', 'port');
    validateDestination(proxy, report.at('egressProxy'));
  }
}
