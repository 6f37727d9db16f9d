import type {
  ConnectionPool,
  ConsistentHash,
  LoadBalancer,
  OutlierDetection,
  TrafficPolicy,
} from '../kinds/shared/traffic-policy.ts';
import type { Report } from '../report.ts';
import { checkDnsName, isIpAddress } from './hosts.ts';
import { validateLocalityLoadBalancer, validateZoneAwareLoadBalancer } from './locality.ts';
import { checkPort } from './ports.ts';
import { checkDuration, checkPercent } from './scalars.ts';
import { validateClientTls } from './tls.ts';

/** Fields of which a traffic policy has at least one, or it says nothing. */
const POLICY_FIELDS = [
  'outlierDetection',
  'connectionPool',
  'loadBalancer',
  'tls',
  'tunnel',
  'proxyProtocol',
  'retryBudget',
] as const;
const PORT_POLICY_FIELDS = ['outlierDetection', 'connectionPool', 'loadBalancer', 'tls'] as const;

/** The rules for the traffic policy of a host or of a subset. */
export function validateTrafficPolicy(policy: TrafficPolicy | undefined, report: Report): void {
  if (policy === undefined) return;
  const ports = policy.portLevelSettings ?? [];
  if (ports.length === 0 && POLICY_FIELDS.every((field) => policy[field] === undefined)) {
    report.error('must have at least one field');
  }
  if (policy.tunnel !== undefined && policy.proxyProtocol !== undefined) {
    report.error('must not have both tunnel and proxyProtocol');
  }
  validateCommon(policy, report);
  for (const [i, port] of ports.entries()) {
    const at = report.at('portLevelSettings', i);
    if (port.port === undefined) at.error('is required', 'port');
    if (PORT_POLICY_FIELDS.every((field) => port[field] === undefined))
      at.error('must have at least one field beside port');
    validateCommon(port, at);
  }
  if (policy.retryBudget?.budgetInterval !== undefined) {
    report.warning("has no effect on Isthmus's own proxy: only Envoy has it", 'retryBudget', 'budgetInterval');
  }
  if (policy.tunnel !== undefined) validateTunnel(policy.tunnel, report.at('tunnel'));
}

function validateCommon(policy: Pick<TrafficPolicy, (typeof PORT_POLICY_FIELDS)[number]>, report: Report): void {
  validateOutlierDetection(policy.outlierDetection, report.at('outlierDetection'));
  validateConnectionPool(policy.connectionPool, report.at('connectionPool'));
  validateLoadBalancer(policy.loadBalancer, policy.outlierDetection, report.at('loadBalancer'));
  validateClientTls(policy.tls, report.at('tls'));
}

function validateTunnel(tunnel: NonNullable<TrafficPolicy['tunnel']>, report: Report): void {
  if (tunnel.protocol && tunnel.protocol !== 'CONNECT' && tunnel.protocol !== 'POST') {
    report.error(`must be CONNECT or POST, not ${JSON.stringify(tunnel.protocol)}`, 'protocol');
  }
  const host = tunnel.targetHost ?? '';
  if (!isIpAddress(host) && checkDnsName(host) !== undefined) {
    report.error(`must be a host name or an IP address, not ${JSON.stringify(host)}`, 'targetHost');
  }
  report.check(checkPort(tunnel.targetPort ?? 0), 'targetPort');
}

export function validateOutlierDetection(outlier: OutlierDetection | undefined, report: Report): void {
  if (outlier === undefined) return;
  checkDurations(outlier, ['interval', 'baseEjectionTime'], report);
  if (outlier.consecutiveErrors) {
    report.warning('is deprecated; use consecutiveGatewayErrors or consecutive5xxErrors', 'consecutiveErrors');
  }
  if (!outlier.splitExternalLocalOriginErrors && outlier.consecutiveLocalOriginFailures) {
    report.error('has no effect without splitExternalLocalOriginErrors: true', 'consecutiveLocalOriginFailures');
  }
  for (const field of ['maxEjectionPercent', 'minHealthPercent'] as const) {
    report.check(checkPercent(outlier[field] ?? 0), field);
  }
}

export function validateConnectionPool(pool: ConnectionPool | undefined, report: Report): void {
  if (pool === undefined) return;
  if (pool.http === undefined && pool.tcp === undefined) report.error('must have at least one of http and tcp');
  const { http, tcp } = pool;
  if (http !== undefined) {
    const at = report.at('http');
    checkNotNegative(
      http,
      ['http1MaxPendingRequests', 'http2MaxRequests', 'maxRequestsPerConnection', 'maxRetries', 'maxConcurrentStreams'],
      at,
    );
    checkDurations(http, ['idleTimeout'], at);
    if (http.http2KeepAlive !== undefined) {
      const keepAlive = http.http2KeepAlive;
      for (const field of ['interval', 'timeout'] as const) {
        if (keepAlive[field] === undefined) at.error('is required', 'http2KeepAlive', field);
      }
      checkDurations(keepAlive, ['interval', 'timeout'], at.at('http2KeepAlive'));
    }
    if (http.h2UpgradePolicy === 'UPGRADE' && http.useClientProtocol) {
      at.error('must not be true when h2UpgradePolicy is UPGRADE', 'useClientProtocol');
    }
  }
  if (tcp !== undefined) {
    const at = report.at('tcp');
    checkNotNegative(tcp, ['maxConnections'], at);
    checkDurations(tcp, ['connectTimeout', 'maxConnectionDuration'], at);
    // 0s turns the timeout off.
    if (Math.trunc(tcp.idleTimeout ?? 0) !== 0) checkDurations(tcp, ['idleTimeout'], at);
    checkDurations(tcp.tcpKeepalive, ['time', 'interval'], at.at('tcpKeepalive'));
  }
}

function validateLoadBalancer(
  balancer: LoadBalancer | undefined,
  outlier: OutlierDetection | undefined,
  report: Report,
): void {
  if (balancer === undefined) return;
  if (balancer.consistentHash !== undefined)
    validateConsistentHash(balancer.consistentHash, report.at('consistentHash'));
  if (balancer.localityLbSetting !== undefined && balancer.zoneAwareLbSetting !== undefined) {
    report.error('must not have both localityLbSetting and zoneAwareLbSetting');
  }
  validateLocalityLoadBalancer(balancer.localityLbSetting, outlier, report.at('localityLbSetting'));
  validateZoneAwareLoadBalancer(balancer.zoneAwareLbSetting, outlier, report.at('zoneAwareLbSetting'));
  if (balancer.warmupDurationSecs !== undefined) {
    const wrong = checkDuration(balancer.warmupDurationSecs);
    report.warning(
      wrong === undefined ? 'is deprecated; use warmup.duration' : `${wrong}, or Kubernetes refuses it`,
      'warmupDurationSecs',
    );
  }
  const { warmup } = balancer;
  if (warmup !== undefined) {
    const at = report.at('warmup');
    if (warmup.duration === undefined) at.error('is required', 'duration');
    checkDurations(warmup, ['duration'], at);
    if ((warmup.minimumPercent ?? 0) > 100)
      at.error(`must be at most 100, not ${warmup.minimumPercent}`, 'minimumPercent');
    if ((warmup.aggression ?? 1) <= 0) at.error(`must be above 0, not ${warmup.aggression}`, 'aggression');
  }
}

/** Envoy bounds the table of Maglev. */
const MAX_MAGLEV_TABLE = 5_000_011;

function validateConsistentHash(hash: ConsistentHash, report: Report): void {
  if (hash.httpCookie?.name === '') report.error('must not be empty', 'httpCookie', 'name');
  const attributes = new Set<string>();
  for (const [i, { name = '' }] of (hash.httpCookie?.attributes ?? []).entries()) {
    const at = report.at('httpCookie', 'attributes', i, 'name');
    if (name === '') at.error('is required');
    else if (attributes.has(name)) at.error(`is the second attribute named ${name}`);
    attributes.add(name);
  }
  if (hash.minimumRingSize) {
    report.warning('is deprecated; use ringHash.minimumRingSize', 'minimumRingSize');
    if (hash.ringHash !== undefined || hash.maglev !== undefined) {
      report.error('must not be set beside ringHash or maglev', 'minimumRingSize');
    }
  }
  if (hash.maglev !== undefined) {
    const size = hash.maglev.tableSize ?? 0;
    if (size >= MAX_MAGLEV_TABLE || !isPrime(size)) {
      report.error(`must be a prime number below ${MAX_MAGLEV_TABLE}, not ${size}`, 'maglev', 'tableSize');
    }
  }
}

/** As Envoy reckons, for which 1 is prime. */
function isPrime(n: number): boolean {
  if (n > 0 && n < 4) return true;
  if (n % 2 === 0) return false;
  for (let factor = 3; factor * factor <= n; factor += 2) if (n % factor === 0) return false;
  return true;
}

function checkDurations<F extends string>(
  settings: Readonly<Partial<Record<F, unknown>>> | undefined,
  fields: readonly F[],
  report: Report,
): void {
  for (const field of fields) {
    const value = settings?.[field];
    if (typeof value === 'number') report.check(checkDuration(value), field);
  }
}

function checkNotNegative<F extends string>(
  settings: Readonly<Partial<Record<F, unknown>>>,
  fields: readonly F[],
  report: Report,
): void {
  for (const field of fields) {
    const value = settings[field];
    if (typeof value === 'number' && value < 0) report.error(`must not be negative, is ${value}`, field);
  }
}
