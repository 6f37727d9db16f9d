import type { ReadinessProbe, Workload } from '../kinds/shared/workload.ts';
import type { Report } from '../report.ts';
import { checkDnsName, isIpAddress } from './hosts.ts';
import { checkPort, checkPortName } from './ports.ts';
import { checkUnixPath, UNIX_PREFIX } from './scalars.ts';
import { validateLabels } from './selectors.ts';

export interface WorkloadRules {
  /** Names of the ports of the service that the workload is an endpoint of; undefined where it stands alone. */
  readonly servicePorts?: ReadonlySet<string>;
  /** Whether the address may be a host name, to be resolved. */
  readonly mayBeName: boolean;
}

/** The rules for a WorkloadEntry, and for an endpoint of a ServiceEntry. */
export function validateWorkload(workload: Workload, report: Report, rules: WorkloadRules): void {
  const address = workload.address ?? '';
  if (address === '') {
    if (!workload.network) {
      report.error('is required, unless network is set', 'address');
      return;
    }
    report.warning('is not set: traffic goes to the gateway of the network', 'address');
  }
  const isSocket = address.startsWith(UNIX_PREFIX);
  if (isSocket) {
    report.check(checkUnixPath(address.slice(UNIX_PREFIX.length)), 'address');
    if (Object.keys(workload.ports ?? {}).length > 0) report.error('must not be set for a Unix domain socket', 'ports');
    if (rules.servicePorts !== undefined && rules.servicePorts.size !== 1) {
      report.error('is a Unix domain socket, which needs a service with exactly one port', 'address');
    }
  } else if (address !== '' && !isIpAddress(address) && (!rules.mayBeName || checkDnsName(address) !== undefined)) {
    const wanted = rules.mayBeName ? 'an IP address or a host name' : 'an IP address';
    report.error(`must be ${wanted}, not ${JSON.stringify(address)}`, 'address');
  }
  validateEndpointPorts(workload, report, rules.servicePorts);
  validateLabels(workload.labels, report.at('labels'));
}

/** The rules for `ports` of an endpoint: names of the service's ports, and where each is on this endpoint. */
export function validateEndpointPorts(workload: Workload, report: Report, servicePorts?: ReadonlySet<string>): void {
  for (const [name, port] of Object.entries(workload.ports ?? {})) {
    const at = report.at('ports', name);
    if (servicePorts !== undefined && !servicePorts.has(name)) at.error('is not the name of a port of the service');
    else at.check(checkPortName(name));
    at.check(checkPort(port));
  }
}

const COUNTS = [
  'periodSeconds',
  'initialDelaySeconds',
  'timeoutSeconds',
  'successThreshold',
  'failureThreshold',
] as const;

/** The rules for the readiness probe of a WorkloadGroup or of a proxy's configuration. */
export function validateReadinessProbe(probe: ReadinessProbe | undefined, report: Report): void {
  if (probe === undefined) return;
  for (const field of COUNTS) {
    if ((probe[field] ?? 0) < 0) report.error(`must not be negative, is ${probe[field]}`, field);
  }
  const { httpGet, tcpSocket, exec, grpc } = probe;
  if (httpGet !== undefined) {
    const at = report.at('httpGet');
    at.check(checkPort(httpGet.port ?? 0), 'port');
    if (httpGet.scheme && httpGet.scheme !== 'HTTP' && httpGet.scheme !== 'HTTPS') {
      at.error(`must be HTTP or HTTPS, not ${JSON.stringify(httpGet.scheme)}`, 'scheme');
    }
    for (const [i, header] of (httpGet.httpHeaders ?? []).entries()) {
      if (!/^[-A-Za-z0-9]+$/.test(header.name ?? '')) {
        at.error(`must be letters, digits and -, not ${JSON.stringify(header.name ?? '')}`, 'httpHeaders', i, 'name');
      }
    }
  } else if (tcpSocket !== undefined) report.check(checkPort(tcpSocket.port ?? 0), 'tcpSocket', 'port');
  else if (grpc !== undefined) report.check(checkPort(grpc.port ?? 0), 'grpc', 'port');
  else if (exec === undefined) report.error('must have one of httpGet, tcpSocket, exec and grpc');
  else if ((exec.command ?? []).length === 0) report.error('is required', 'exec', 'command');
}
