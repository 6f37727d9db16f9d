import type { Service } from './service.ts';

/**
 * Follows ExternalName services to the service that they stand for, over several steps if need be, and returns the names
 * that lead to each. Names that only lead in a circle lead nowhere, as in Kubernetes' DNS.
 */
export function aliasesByTarget(
  services: readonly Service[],
): ReadonlyMap<string, readonly { hostname: string; namespace: string }[]> {
  const aliases = services.filter((service) => service.resolution === 'ALIAS');
  const result = new Map<string, { hostname: string; namespace: string }[]>();
  if (aliases.length === 0) return result;
  const next = new Map(aliases.map((service) => [service.hostname, service.externalName!]));
  for (const { hostname, namespace, externalName } of aliases) {
    const seen = new Set([hostname]);
    let target = externalName!;
    while (next.has(target) && !seen.has(target)) {
      seen.add(target);
      target = next.get(target)!;
    }
    if (seen.has(target)) continue;
    const names = result.get(target);
    if (names) names.push({ hostname, namespace });
    else result.set(target, [{ hostname, namespace }]);
  }
  for (const names of result.values()) {
    names.sort((a, b) => compare(a.namespace, b.namespace) || compare(a.hostname, b.hostname));
  }
  return result;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
