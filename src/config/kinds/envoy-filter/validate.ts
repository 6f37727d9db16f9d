import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { checkRegex } from '../../validation/scalars.ts';
import { validateLabelsSelector } from '../../validation/selectors.ts';
import { currentFilterName } from './filter-names.ts';
import type { ConfigPatch, EnvoyFilterSpec } from './schema.ts';

/**
 * What Istio's validation refuses or warns about in an EnvoyFilter, but for the content of its patches: whether that is
 * Envoy's is known where Envoy's types are.
 */
export function validateEnvoyFilter({ spec }: ConfigObject<EnvoyFilterSpec>, report: Report): void {
  const at = report.at('spec');
  at.warning('patches generated configuration, which another version may generate differently; prefer other kinds');
  validateLabelsSelector(spec.workloadSelector, at.at('workloadSelector'));
  for (const [i, patch] of (spec.configPatches ?? []).entries()) validatePatch(patch, at.at('configPatches', i));
}

function validatePatch(config: ConfigPatch, report: Report): void {
  const { applyTo = 'INVALID', patch, match } = config;
  const operation = patch?.operation ?? 'INVALID';
  if (applyTo === 'INVALID') report.error('is required', 'applyTo');
  if (patch === undefined) report.error('is required', 'patch');
  else if (operation === 'INVALID') report.error('is required', 'patch', 'operation');
  else if (operation !== 'REMOVE' && patch.value === undefined)
    report.error(`is required for operation ${operation}`, 'patch', 'value');
  if (match?.proxy?.proxyVersion) report.check(checkRegex(match.proxy.proxyVersion), 'match', 'proxy', 'proxyVersion');
  if (match !== undefined) validateMatch(applyTo, match, report.at('match'));
}

type ApplyTo = NonNullable<ConfigPatch['applyTo']>;
type Match = NonNullable<ConfigPatch['match']>;
type ObjectMatch = 'listener' | 'routeConfiguration' | 'cluster' | 'waypoint';

/** The match that fits what a patch applies to; the others say nothing about such an object. */
const MATCHES: Readonly<Partial<Record<ApplyTo, ObjectMatch>>> = {
  LISTENER: 'listener',
  FILTER_CHAIN: 'listener',
  NETWORK_FILTER: 'listener',
  HTTP_FILTER: 'listener',
  ROUTE_CONFIGURATION: 'routeConfiguration',
  VIRTUAL_HOST: 'routeConfiguration',
  HTTP_ROUTE: 'routeConfiguration',
  CLUSTER: 'cluster',
};

function validateMatch(applyTo: ApplyTo, match: Match, report: Report): void {
  const wanted = MATCHES[applyTo];
  if (wanted === undefined) return;
  for (const other of ['listener', 'routeConfiguration', 'cluster', 'waypoint'] as const) {
    if (match[other] === undefined || other === wanted) continue;
    const wrong = `has no meaning for applyTo ${applyTo}; use ${wanted}`;
    // Listeners of a waypoint proxy are matched by its own kind of match, whatever the patch applies to.
    if (match.context !== 'WAYPOINT') report.error(wrong, other);
    else if (other !== 'waypoint') report.warning(wrong, other);
  }
  const filter = match.listener?.filterChain?.filter;
  if (wanted !== 'listener' || filter === undefined) return;
  const at = report.at('listener', 'filterChain', 'filter');
  if (applyTo === 'LISTENER' || applyTo === 'FILTER_CHAIN') at.warning(`has no effect for applyTo ${applyTo}`);
  if (!filter.name) at.error('is required', 'name');
  else if (filter.subFilter !== undefined) {
    if (applyTo !== 'HTTP_FILTER') at.error('can be used for applyTo HTTP_FILTER only', 'subFilter');
    else if (currentFilterName(filter.name) !== HTTP_CONNECTION_MANAGER) {
      at.error(`needs the name of the filter to be ${HTTP_CONNECTION_MANAGER}`, 'subFilter');
    } else if (!filter.subFilter.name) at.error('is required', 'subFilter', 'name');
  }
  warnOfOldName(filter.name, at.at('name'));
  warnOfOldName(filter.subFilter?.name, at.at('subFilter', 'name'));
}

const HTTP_CONNECTION_MANAGER = 'envoy.filters.network.http_connection_manager';

function warnOfOldName(name: string | undefined, report: Report): void {
  if (name !== undefined && currentFilterName(name) !== name) {
    report.warning(`is the old name of the filter; write ${currentFilterName(name)}`);
  }
}
