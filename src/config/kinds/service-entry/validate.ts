import type { ConfigObject, ObjectMeta } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateExportTo } from '../../validation/export-to.ts';
import {
  checkDnsName,
  checkIpOrCidr,
  checkWildcardName,
  hasPartialWildcard,
  isIpAddress,
} from '../../validation/hosts.ts';
import {
  checkPort,
  checkPortName,
  checkProtocol,
  isHttp,
  isTcp,
  isTls,
  parseProtocol,
} from '../../validation/ports.ts';
import { validateLabels, validateLabelsSelector } from '../../validation/selectors.ts';
import { validateEndpointPorts, validateWorkload } from '../../validation/workloads.ts';
import type { Workload } from '../shared/workload.ts';
import type { ServiceEntrySpec } from './schema.ts';

/** What Istio's validation refuses or warns about in a ServiceEntry. */
export function validateServiceEntry(object: ConfigObject<ServiceEntrySpec>, report: Report): void {
  const { spec, metadata } = object;
  const at = report.at('spec');
  validateLabelsSelector(spec.workloadSelector, at.at('workloadSelector'));
  if (spec.workloadSelector !== undefined && (spec.endpoints ?? []).length > 0) {
    at.error('must not have both workloadSelector and endpoints');
  }
  validateHosts(spec, at.at('hosts'));
  validateAddresses(spec, at.at('addresses'));
  const portNames = validatePorts(spec, at.at('ports'));
  validateResolution(object, portNames, at);
  validateExportTo(spec.exportTo, metadata.namespace, at.at('exportTo'), { mayBeNone: true });
}

function validateHosts({ hosts }: ServiceEntrySpec, report: Report): void {
  if (hosts.length === 0) report.error('must have at least one host');
  for (const [i, host] of hosts.entries()) {
    if (host === '*') report.error('must not be "*": a service needs a name', i);
    else {
      report.check(checkWildcardName(host), i);
      if (hasPartialWildcard(host))
        report.warning(`has a wildcard as a part of a label, which matches nothing: ${host}`, i);
    }
  }
}

function validateAddresses({ addresses = [], resolution }: ServiceEntrySpec, report: Report): void {
  const mayBeBlock = resolution === undefined || resolution === 'NONE' || resolution === 'STATIC';
  for (const [i, address] of addresses.entries()) {
    const wrong = checkIpOrCidr(address);
    if (wrong !== undefined) report.error(wrong, i);
    else if (address.includes('/') && !mayBeBlock) {
      report.error('must not be a CIDR block unless resolution is NONE or STATIC', i);
    }
  }
}

function validatePorts({ ports = [], resolution }: ServiceEntrySpec, report: Report): Set<string> {
  const names = new Set<string>();
  const numbers = new Set<number>();
  for (const [i, port] of ports.entries()) {
    const name = port.name ?? '';
    const number = port.number ?? 0;
    const at = report.at(i);
    if (names.has(name)) at.error(`is the second port named ${JSON.stringify(name)}`, 'name');
    else at.check(checkPortName(name), 'name');
    if (numbers.has(number)) at.error(`is the second port with number ${number}`, 'number');
    else at.check(checkPort(number), 'number');
    names.add(name);
    numbers.add(number);
    if (port.targetPort) {
      at.check(checkPort(port.targetPort), 'targetPort');
      if (resolution === undefined || resolution === 'NONE') {
        at.warning(
          'has no effect when resolution is NONE: traffic goes to the address that the client chose',
          'targetPort',
        );
      }
    }
    if (port.protocol) at.check(checkProtocol(port.protocol), 'protocol');
  }
  return names;
}

function validateResolution(
  { spec, metadata }: ConfigObject<ServiceEntrySpec>,
  portNames: ReadonlySet<string>,
  report: Report,
): void {
  const { resolution = 'NONE', endpoints = [], hosts, workloadSelector } = spec;
  switch (resolution) {
    case 'NONE':
      if (workloadSelector !== undefined) report.warning('has no effect when resolution is NONE', 'workloadSelector');
      if (endpoints.length > 0) report.error('must not be set when resolution is NONE', 'endpoints');
      break;
    case 'STATIC':
      for (const [i, endpoint] of endpoints.entries()) {
        validateWorkload(endpoint, report.at('endpoints', i), { servicePorts: portNames, mayBeName: false });
      }
      break;
    case 'DNS':
    case 'DNS_ROUND_ROBIN':
      validateDns(spec, portNames, report);
      break;
    case 'DYNAMIC_DNS':
      validateDynamicDns(spec, metadata, report);
      break;
  }
  // Nothing in a plain TCP connection tells which of several hosts is meant.
  if (resolution !== 'NONE' && hosts.length > 1) {
    for (const [i, port] of (spec.ports ?? []).entries()) {
      const protocol = parseProtocol(port.protocol);
      if (isHttp(protocol) || isTls(protocol)) continue;
      report.error(
        'must be an HTTP or TLS protocol, since there are several hosts to tell apart',
        'ports',
        i,
        'protocol',
      );
      break;
    }
  }
}

function validateDns(spec: ServiceEntrySpec, portNames: ReadonlySet<string>, report: Report): void {
  const { resolution, endpoints = [], hosts, addresses = [], ports = [] } = spec;
  if (endpoints.length === 0) {
    for (const [i, host] of hosts.entries()) {
      if (checkDnsName(host) !== undefined) {
        report.error(
          `must be a name that can be resolved when resolution is ${resolution} and there are no endpoints`,
          'hosts',
          i,
        );
      }
    }
  }
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
    report.error('must have at most one entry when resolution is DNS_ROUND_ROBIN', 'endpoints');
  }
  for (const [i, endpoint] of endpoints.entries()) validateDnsEndpoint(endpoint, portNames, report.at('endpoints', i));
  if (addresses.length > 0 && hosts.length > 1 && ports.some((port) => isTcp(parseProtocol(port.protocol)))) {
    report.warning('should have one entry when there are addresses and a TCP port', 'hosts');
  }
}

function validateDnsEndpoint(endpoint: Workload, portNames: ReadonlySet<string>, report: Report): void {
  const address = endpoint.address ?? '';
  if (!isIpAddress(address) && checkDnsName(address) !== undefined) {
    report.error(`must be a host name or an IP address, not ${JSON.stringify(address)}`, 'address');
  }
  validateLabels(endpoint.labels, report.at('labels'));
  validateEndpointPorts(endpoint, report, portNames);
}

/** The label that puts a waypoint before a service, unless it is `none`. */
const USE_WAYPOINT = 'istio.io/use-waypoint';

function validateDynamicDns(spec: ServiceEntrySpec, metadata: ObjectMeta, report: Report): void {
  if (spec.location === 'MESH_INTERNAL' && (metadata.labels[USE_WAYPOINT] ?? 'none') !== 'none') {
    report.error('must not be MESH_INTERNAL when resolution is DYNAMIC_DNS and the service has a waypoint', 'location');
  }
  for (const field of ['endpoints', 'addresses'] as const) {
    if ((spec[field] ?? []).length > 0)
      report.error('must not be set when resolution is DYNAMIC_DNS, which resolves the host of each request', field);
  }
  for (const [i, host] of spec.hosts.entries()) {
    if (!host.startsWith('*'))
      report.error('must begin with a wildcard when resolution is DYNAMIC_DNS; use DNS', 'hosts', i);
  }
  for (const [i, port] of (spec.ports ?? []).entries()) {
    const protocol = parseProtocol(port.protocol);
    if (protocol === 'HTTP' || protocol === 'HTTP2' || protocol === 'GRPC' || protocol === 'TLS') continue;
    report.error('must be HTTP, HTTP2, GRPC or TLS when resolution is DYNAMIC_DNS', 'ports', i, 'protocol');
  }
}
