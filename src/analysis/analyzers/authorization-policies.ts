import type { Analyzer } from '../analyzer.ts';
import type { AnalysisContext } from '../context.ts';
import { isInMesh } from '../in-mesh.ts';
import type { Resource } from '../resource.ts';
import { formatSelector, type Labels, selects } from '../selectors.ts';

/** Authorization policies that are for no workload, or that name namespaces which do not exist. */
export const authorizationPoliciesAnalyzer: Analyzer = {
  name: 'auth.AuthorizationPoliciesAnalyzer',
  description: 'Checks the validity of authorization policies',
  analyze(context) {
    const inMesh = new Map<string, Labels[]>();
    for (const workload of context.workloads) {
      if (!isInMesh(workload, context)) continue;
      inMesh.set(workload.namespace, [...(inMesh.get(workload.namespace) ?? []), workload.labels]);
    }
    for (const policy of context.list('AuthorizationPolicy')) {
      if (context.knowsWorkloads) checkWorkloads(policy, inMesh, context);
      if (context.knows('Namespace')) checkNamespaces(policy, context);
    }
  },
};

function checkWorkloads(
  policy: Resource<'AuthorizationPolicy'>,
  inMesh: ReadonlyMap<string, readonly Labels[]>,
  context: AnalysisContext,
): void {
  const { selector } = policy.spec;
  const isMeshWide = policy.namespace === context.mesh.rootNamespace;
  if (isMeshWide && selector === undefined) return;
  const candidates = isMeshWide ? [...inMesh.values()].flat() : (inMesh.get(policy.namespace) ?? []);
  if (candidates.some((labels) => selects(selector?.matchLabels, labels))) return;
  context.report('IST0127', policy, [formatSelector(selector?.matchLabels)]);
}

function checkNamespaces(policy: Resource<'AuthorizationPolicy'>, context: AnalysisContext): void {
  const namespaces = context.list('Namespace').map(({ name }) => name);
  for (const [i, { from = [] }] of (policy.spec.rules ?? []).entries()) {
    for (const [j, { source }] of from.entries()) {
      for (const field of ['namespaces', 'notNamespaces'] as const) {
        for (const [k, wanted] of (source?.[field] ?? []).entries()) {
          if (namespaces.some((name) => matches(wanted, name))) continue;
          const path = ['spec', 'rules', i, 'from', j, 'source', field, k];
          context.report('IST0101', policy, ['namespace', wanted], path);
        }
      }
    }
  }
}

/** Whether a namespace is meant by a pattern: a name, or the beginning or end of one with `*`. */
function matches(pattern: string, name: string): boolean {
  if (pattern === '*') return true;
  if (pattern.startsWith('*')) return name.endsWith(pattern.slice(1));
  if (pattern.endsWith('*')) return name.startsWith(pattern.slice(0, -1));
  return name.toLowerCase() === pattern.toLowerCase();
}
