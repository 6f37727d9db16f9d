import type { DestinationRuleSpec } from '../../config/kinds/destination-rule/schema.ts';
import { matchesLabels } from '../../config/labels.ts';
import type { DestinationRule } from './subject.ts';
import { nameIn } from './subject.ts';

type Labels = Readonly<Record<string, string>>;

/** Names of the subsets that have one of some pods, and of the others. */
export interface Subsets {
  readonly matching: readonly string[];
  readonly others: readonly string[];
}

export function subsetsOf(rule: DestinationRule | undefined, pods: readonly Labels[]): Subsets {
  const { true: matching = [], false: others = [] } = Object.groupBy(rule?.spec.subsets ?? [], ({ labels }) =>
    String(pods.some((pod) => matchesLabels(labels, pod))),
  );
  return { matching: matching.map(({ name }) => name), others: others.map(({ name }) => name) };
}

/** What a DestinationRule says of pods with these labels. */
export function describeDestinationRule(
  rule: DestinationRule,
  { matching, others }: Subsets,
  namespace: string,
): string[] {
  const lines = [`DestinationRule: ${nameIn(namespace, rule)} for ${JSON.stringify(rule.spec.host)}`];
  if (matching.length + others.length > 0) {
    const none = `   WARNING POD DOES NOT MATCH ANY SUBSETS.  (Non matching subsets ${others.join(',')})`;
    if (matching.length === 0) lines.push(none);
    lines.push(`   Matching subsets: ${matching.join(',')}`);
    if (others.length > 0) lines.push(`      (Non-matching subsets ${others.join(',')})`);
  }
  const policy = rule.spec.trafficPolicy;
  if (policy === undefined) return [...lines, '   No Traffic Policy'];
  if (policy.tls) lines.push(`   Traffic Policy TLS Mode: ${policy.tls.mode ?? 'DISABLE'}`);
  lines.push(...shortPolicies(policy).map((line) => `   ${line}`));
  if (policy.portLevelSettings) {
    lines.push('   Port Level Settings:');
    for (const settings of policy.portLevelSettings) {
      lines.push(`    ${settings.port?.number ?? 0}:`);
      if (settings.tls) lines.push(`      TLS Mode: ${settings.tls.mode ?? 'DISABLE'}`);
      lines.push(...shortPolicies(settings).map((line) => `      ${line}`));
    }
  }
  return lines;
}

type Policies = Pick<
  NonNullable<DestinationRuleSpec['trafficPolicy']>,
  'loadBalancer' | 'connectionPool' | 'outlierDetection'
>;

function shortPolicies({ loadBalancer, connectionPool, outlierDetection }: Policies): string[] {
  const there = [
    ...(loadBalancer ? ['load balancer'] : []),
    ...(connectionPool ? ['connection pool'] : []),
    ...(outlierDetection ? ['outlier detection'] : []),
  ];
  return there.length === 0 ? [] : [`Policies: ${there.join('/')}`];
}
