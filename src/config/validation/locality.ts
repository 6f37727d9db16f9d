import type { LocalityLoadBalancer, OutlierDetection, ZoneAwareLoadBalancer } from '../kinds/shared/traffic-policy.ts';
import type { Report } from '../report.ts';

const TOPOLOGY_LABELS = new Set([
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
]);

/** The rules for `localityLbSetting`; without outlier detection nothing ever fails over. */
export function validateLocalityLoadBalancer(
  setting: LocalityLoadBalancer | undefined,
  outlier: OutlierDetection | undefined,
  report: Report,
): void {
  if (setting === undefined) return;
  const { distribute = [], failover = [], failoverPriority = [] } = setting;
  if (distribute.length > 0 && failover.length > 0) {
    report.error('must not have both distribute and failover');
    return;
  }
  if (failover.length > 0) {
    const topology = failoverPriority.find((label) => TOPOLOGY_LABELS.has(label));
    if (topology !== undefined) {
      report.error(`must not have the label ${topology} while failover is set`, 'failoverPriority');
      return;
    }
  }
  for (const [i, { to = {} }] of distribute.entries()) {
    const at = report.at('distribute', i, 'to');
    const weights = Object.values(to);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    if (weights.some((weight) => weight < 1 || weight > 100)) at.error('must have weights between 1 and 100');
    else if (total !== 100) at.error(`must have weights that add up to 100, not ${total}`);
    else at.check(checkLocalities(Object.keys(to)));
  }
  report.check(checkLocalities(distribute.map((d) => d.from ?? '')), 'distribute');
  if ((failover.length > 0 || failoverPriority.length > 0) && outlier === undefined)
    report.warning(NO_OUTLIER_DETECTION);
  for (const [i, { from = '', to = '' }] of failover.entries()) {
    const at = report.at('failover', i);
    if (from === to) at.error('must name two different regions');
    if (`${from}${to}`.includes('/')) at.error('must name regions only, without zones');
    if (`${from}${to}`.includes('*')) at.error('must name regions without wildcards');
  }
}

const NO_OUTLIER_DETECTION = 'has no effect without outlierDetection: nothing tells that an endpoint fails';

/** The rules for `zoneAwareLbSetting`: it orders regions only, as zones are the proxy's own affair. */
export function validateZoneAwareLoadBalancer(
  setting: ZoneAwareLoadBalancer | undefined,
  outlier: OutlierDetection | undefined,
  report: Report,
): void {
  if (setting === undefined) return;
  const { failover = [], failoverPriority = [], enabled } = setting;
  for (const [i, { from = '', to = '' }] of failover.entries()) {
    const at = report.at('failover', i);
    if (from === to) at.error('must name two different regions');
    if (`${from}${to}`.includes('/')) at.error('must name regions only, without zones');
    if (`${from}${to}`.includes('*')) at.error('must name regions without wildcards');
  }
  const topology = failoverPriority.find((label) => TOPOLOGY_LABELS.has(label));
  if (topology !== undefined) {
    report.error(`must not have the label ${topology}: zone aware routing follows it by itself`, 'failoverPriority');
  }
  const fields = (['failover', 'failoverPriority'] as const).filter((field) => setting[field]?.length);
  if (fields.length > 0 && enabled !== false && outlier === undefined) {
    report.warning('fails over only once the endpoints of a region are gone: without outlierDetection none ever fails');
  }
  for (const field of fields) {
    if (enabled === false) report.warning('has no effect when enabled is false', field);
  }
}

/** What is wrong with a list of `region/zone/subzone`, where `*` may be last and none may cover another. */
function checkLocalities(localities: readonly string[]): string | undefined {
  const seen: string[][] = [];
  for (const locality of localities) {
    const star = locality.indexOf('*');
    if (star !== -1 && star !== locality.length - 1) return `has a wildcard that is not at the end of ${locality}`;
    const [region, zone, ...rest] = locality.split('/');
    const parts = [region, zone, rest.length > 0 ? rest.join('/') : undefined].filter((p) => p !== undefined);
    if (parts.includes('')) return `has an empty region, zone or subzone in ${JSON.stringify(locality)}`;
    // A region alone stands for all of its zones.
    const whole = parts.length < 3 && parts.at(-1) !== '*' ? [...parts, '*'] : parts;
    const other = seen.find((earlier) => overlaps(earlier, whole));
    if (other !== undefined) return `has ${locality}, which ${other.join('/')} covers already`;
    seen.push(whole);
  }
  return undefined;
}

function overlaps(a: readonly string[], b: readonly string[]): boolean {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if (a[i] === '*' || b[i] === '*') return true;
    if (a[i] !== b[i]) return false;
  }
  return true;
}
