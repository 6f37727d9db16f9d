import type { CircuitBreakers } from '../../api/gen/envoy/config/cluster/v3/circuit_breaker_pb.ts';
import { RoutingPriority } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { DEFAULT_THRESHOLDS, type Thresholds } from './resources.ts';

const DEFAULT_BUDGET_PERCENT = 20;

/** `circuit_breakers` of a cluster, for each priority. */
export interface BreakerConfig {
  readonly default: Thresholds;
  readonly high: Thresholds;
}

/** Reads `circuit_breakers`; priorities that say nothing have Envoy's defaults. */
export function breakerConfig(proto: CircuitBreakers | undefined, errors: ConfigErrors): BreakerConfig {
  proto?.perHostThresholds.forEach((thresholds, i) => {
    const at = errors.at('per_host_thresholds').at(i);
    for (const field of ['maxPendingRequests', 'maxRequests', 'maxRetries', 'maxConnectionPools'] as const) {
      if (thresholds[field] !== undefined) at.add('', 'may only set max_connections');
    }
    if (thresholds.retryBudget) at.add('retry_budget', 'is not possible for a single host');
  });
  return {
    default: thresholdsOf(proto, RoutingPriority.DEFAULT),
    high: thresholdsOf(proto, RoutingPriority.HIGH),
  };
}

function thresholdsOf(proto: CircuitBreakers | undefined, priority: RoutingPriority): Thresholds {
  const d = DEFAULT_THRESHOLDS;
  const given = proto?.thresholds.find((t) => t.priority === priority);
  const perHost = proto?.perHostThresholds.find((t) => t.priority === priority);
  if (given === undefined && perHost === undefined) return d;
  const budget = given?.retryBudget;
  return {
    maxConnections: given?.maxConnections ?? d.maxConnections,
    maxPendingRequests: given?.maxPendingRequests ?? d.maxPendingRequests,
    maxRequests: given?.maxRequests ?? d.maxRequests,
    maxRetries: given?.maxRetries ?? d.maxRetries,
    maxConnectionPools: given?.maxConnectionPools ?? d.maxConnectionPools,
    retryBudgetPercent: budget && (budget.budgetPercent?.value ?? DEFAULT_BUDGET_PERCENT),
    retryBudgetMinConcurrency: budget?.minRetryConcurrency ?? d.retryBudgetMinConcurrency,
    trackRemaining: given?.trackRemaining ?? d.trackRemaining,
    maxConnectionsPerHost: perHost?.maxConnections ?? d.maxConnectionsPerHost,
  };
}
