import type { Report } from '../../report.ts';
import { checkDnsName, isIpAddress } from '../../validation/hosts.ts';
import { checkPort } from '../../validation/ports.ts';
import { checkDuration } from '../../validation/scalars.ts';
import { validateClientTls } from '../../validation/tls.ts';
import { validateReadinessProbe } from '../../validation/workloads.ts';
import type { MeshProxyConfig } from './proxy-schema.ts';

/** What istiod refuses in the configuration of a proxy, as a person wrote it: without defaults. */
export function validateMeshProxyConfig(proxy: MeshProxyConfig, report: Report): void {
  for (const field of ['configPath', 'binaryPath', 'serviceCluster', 'discoveryAddress'] as const) {
    if (proxy[field] === '') report.error('must not be empty', field);
  }
  if (proxy.drainDuration !== undefined) {
    const whole = proxy.drainDuration % 1000 === 0 ? undefined : 'must be a whole number of seconds';
    report.check(checkDuration(proxy.drainDuration) ?? whole, 'drainDuration');
  }
  for (const field of [
    'discoveryAddress',
    'statsdUdpAddress',
    'envoyMetricsServiceAddress',
    'zipkinAddress',
  ] as const) {
    if (proxy[field]) report.check(checkHostPort(proxy[field]), field);
  }
  for (const field of ['envoyMetricsService', 'envoyAccessLogService'] as const) {
    const service = proxy[field];
    if (service?.address) report.check(checkHostPort(service.address), field, 'address');
    validateClientTls(service?.tlsSettings, report.at(field, 'tlsSettings'));
  }
  for (const field of ['proxyAdminPort', 'statusPort'] as const) {
    if (proxy[field] !== undefined) report.check(checkPort(proxy[field]), field);
  }
  if ((proxy.concurrency ?? 0) < 0) report.error(`must not be negative, is ${proxy.concurrency}`, 'concurrency');
  if (proxy.controlPlaneAuthPolicy === 'INHERIT') report.error('must be NONE or MUTUAL_TLS', 'controlPlaneAuthPolicy');
  validateTracing(proxy, report.at('tracing'));
  validateKeyProvider(proxy, report.at('privateKeyProvider'));
  validateReadinessProbe(proxy.readinessProbe, report.at('readinessProbe'));
  for (const field of ['fileFlushInterval', 'fileFlushMinSizeKb'] as const) {
    if (proxy[field] !== undefined) report.warning(ISTIO_AGENT_ONLY, field);
  }
  for (const field of ['listenerConnectionLimit', 'globalDownstreamConnectionLimit'] as const) {
    if (proxy.connectionSettings?.[field]) report.warning(ISTIO_AGENT_ONLY, 'connectionSettings', field);
  }
}

/** For what shapes the bootstrap of a proxy that Istio's own agent starts. */
const ISTIO_AGENT_ONLY = "has no effect on proxies that Isthmus's own agent starts: its bootstrap has no such setting";

function validateTracing({ tracing }: MeshProxyConfig, report: Report): void {
  if (tracing === undefined) return;
  for (const field of ['zipkin', 'datadog', 'lightstep'] as const) {
    if (tracing[field] !== undefined) report.check(checkHostPort(tracing[field].address ?? ''), field, 'address');
  }
  if (tracing.lightstep !== undefined && !tracing.lightstep.accessToken)
    report.error('is required', 'lightstep', 'accessToken');
  const sampling = tracing.sampling ?? 0;
  if (sampling < 0 || sampling > 100) report.error(`must be between 0 and 100, not ${sampling}`, 'sampling');
  validateClientTls(tracing.tlsSettings, report.at('tlsSettings'));
}

function validateKeyProvider({ privateKeyProvider }: MeshProxyConfig, report: Report): void {
  if (privateKeyProvider === undefined) return;
  const { cryptomb, qat } = privateKeyProvider;
  if (cryptomb === undefined && qat === undefined) report.error('must have one of cryptomb and qat');
  if (cryptomb !== undefined && !cryptomb.pollDelay) report.error('is required', 'cryptomb', 'pollDelay');
  if (qat !== undefined && !qat.pollDelay) report.error('is required', 'qat', 'pollDelay');
}

/** What is wrong with `host:port`, as a clause, or undefined. `$(HOST_IP)` is filled in by the agent. */
function checkHostPort(text: string): string | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(text.replace('$(HOST_IP)', '127.0.0.1'));
  const host = match?.[1] ?? match?.[2] ?? '';
  const isHost = isIpAddress(host) || checkDnsName(host) === undefined;
  if (match === null || !isHost) return `must be of the form host:port, not ${JSON.stringify(text)}`;
  return checkPort(Number(match[3]));
}
