import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { hasGatewaySemantics } from '../../validation/annotations.ts';
import { checkBind, checkServerHost } from '../../validation/gateways.ts';
import { isHostLabel } from '../../validation/hosts.ts';
import { checkPort, checkProtocol, isHttp, isTls, parseProtocol } from '../../validation/ports.ts';
import { UNIX_PREFIX } from '../../validation/scalars.ts';
import { validateServerTls } from '../../validation/tls.ts';
import type { ServerTls } from '../shared/tls.ts';
import type { GatewaySpec, Server } from './schema.ts';

/** What Istio's validation refuses or warns about in a Gateway. */
export function validateGateway(object: ConfigObject<GatewaySpec>, report: Report): void {
  const { spec, metadata } = object;
  const isConverted = hasGatewaySemantics(object);
  if (!isHostLabel(metadata.name) && !isConverted)
    report.error('must be letters, digits and -, without dots', 'metadata', 'name');
  const at = report.at('spec', 'servers');
  if (spec.servers.length === 0) at.error('must have at least one server');
  const portNames = new Set<string>();
  for (const [i, server] of spec.servers.entries()) {
    const serverAt = at.at(i);
    validateServer(server, isConverted, serverAt);
    const name = server.port.name ?? '';
    if (portNames.has(name))
      serverAt.error(`is the second port named ${JSON.stringify(name)}; servers need different names`, 'port', 'name');
    portNames.add(name);
    if (server.tls?.httpsRedirect && !isHttp(parseProtocol(server.port.protocol))) {
      serverAt.warning(
        `has no effect on a port of protocol ${server.port.protocol}; it is for HTTP`,
        'tls',
        'httpsRedirect',
      );
    }
  }
}

function validateServer(server: Server, isConverted: boolean, report: Report): void {
  if (server.hosts.length === 0) report.error('must have at least one host', 'hosts');
  for (const [i, host] of server.hosts.entries()) report.check(checkServerHost(host, isConverted), 'hosts', i);
  const portIsGood = validatePort(server, report.at('port'));
  if (server.bind) {
    report.check(checkBind(server.bind), 'bind');
    if (server.bind.startsWith(UNIX_PREFIX) && server.port.number) {
      report.error('must be 0 or absent for a Unix domain socket', 'port', 'number');
    }
  }
  validateServerTls(server.tls, report.at('tls'));
  if (portIsGood) validateTlsAgainstProtocol(server, report);
}

function validatePort({ port, bind }: Server, report: Report): boolean {
  const wrong = {
    protocol: checkProtocol(port.protocol ?? ''),
    number: port.number || !bind?.startsWith(UNIX_PREFIX) ? checkPort(port.number ?? 0) : undefined,
    targetPort: port.targetPort
      ? 'has no meaning for a Gateway: the port of its Service leads to the workload'
      : undefined,
    name: port.name ? undefined : 'is required',
  };
  for (const [field, message] of Object.entries(wrong)) report.check(message, field);
  return Object.values(wrong).every((message) => message === undefined);
}

/** TLS settings stand where the protocol has TLS, and only there; plain HTTP may redirect to HTTPS. */
function validateTlsAgainstProtocol({ port, tls }: Server, report: Report): void {
  const protocol = parseProtocol(port.protocol);
  if (isTls(protocol)) {
    if (tls === undefined) report.error(`is required for protocol ${port.protocol}`, 'tls');
  } else if (tls !== undefined) {
    if (!isHttp(protocol)) report.error(`must not be set for protocol ${port.protocol}, only for HTTPS and TLS`, 'tls');
    else if (terminates(tls))
      report.error(`can have only httpsRedirect for protocol ${port.protocol}; use HTTPS`, 'tls');
  }
}

function terminates(tls: ServerTls): boolean {
  const passes = tls.mode === undefined || tls.mode === 'PASSTHROUGH' || tls.mode === 'AUTO_PASSTHROUGH';
  return !passes || Boolean(tls.caCertificates || tls.privateKey || tls.serverCertificate);
}
