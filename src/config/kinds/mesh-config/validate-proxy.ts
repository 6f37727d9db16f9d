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
  for (const field of ['listenerConnectionLimit', 'globalDownstreamConnectionLimit'] as const) {
    const limit = proxy.connectionSettings?.[field];
    if (limit !== undefined && limit <= 0)
      report.error(`must be greater than 0, is ${limit}`, 'connectionSettings', field);
    else if (limit !== undefined && field === 'listenerConnectionLimit') {
      report.warning(NO_LISTENER_LIMIT, 'connectionSettings', field);
    }
  }
}

const NO_LISTENER_LIMIT =
  'has no effect, as in Istio 1.31: limit one listener with runtimeValues, ' +
  'by the name envoy.resource_limits.listener.NAME.connection_limit';

/** Tracers of the API that Envoy has no more. */
const REMOVED_TRACERS = ['lightstep', 'stackdriver', 'openCensusAgent'] as const;

function validateTracing({ tracing }: MeshProxyConfig, report: Report): void {
  if (tracing === undefined) return;
  for (const field of ['zipkin', 'datadog', 'lightstep'] as const) {
    if (tracing[field] !== undefined) report.check(checkHostPort(tracing[field].address ?? ''), field, 'address');
  }
  if (tracing.lightstep !== undefined && !tracing.lightstep.accessToken)
    report.error('is required', 'lightstep', 'accessToken');
  for (const field of REMOVED_TRACERS) {
    if (tracing[field] === undefined) continue;
    report.warning(
      'has no effect: Envoy has this tracer no more. Use an OpenTelemetry provider of the Telemetry API',
      field,
    );
  }
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
