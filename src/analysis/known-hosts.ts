import { isWildcard, resolveShortName } from '../registry/host.ts';
import type { AnalysisContext } from './context.ts';
import type { Labels } from './selectors.ts';

const EXPORT_ANNOTATION = 'networking.istio.io/exportTo';
const DOMAIN = 'cluster.local';

/** A host of the mesh, as far as routes and rules refer to it. */
export interface KnownHost {
  readonly ports: readonly number[];
  /** Of its endpoints' pods. */
  readonly selector: Labels;
}

/** The hosts of services and service entries, and in which namespaces they are seen. */
export class KnownHosts {
  /** Key: `scope/host`; a scope is a namespace, or `*`. */
  readonly #hosts = new Map<string, KnownHost>();

  constructor(context: AnalysisContext) {
    for (const { namespace, spec } of context.list('ServiceEntry')) {
      const ports = (spec.ports ?? []).map(({ number = 0 }) => number);
      const host = { ports, selector: (spec.workloadSelector?.labels ?? {}) as Labels };
      for (const name of spec.hosts ?? []) {
        for (const scope of exportScopes(spec.exportTo ?? [], namespace)) this.#add(scope, namespace, name, host);
      }
    }
    for (const { namespace, name, annotations, spec } of context.list('Service')) {
      const ports = (spec.ports ?? []).map(({ port = 0 }) => port);
      const host = { ports, selector: (spec.selector ?? {}) as Labels };
      const exportTo = annotations[EXPORT_ANNOTATION]?.split(',') ?? [];
      for (const scope of exportScopes(exportTo, namespace)) this.#add(scope, namespace, name, host);
    }
  }

  /** The host that a name means in an object of `namespace`, which itself is seen in the namespaces of `exportTo`. */
  lookup(name: string, namespace: string, exportTo: readonly string[] = []): KnownHost | undefined {
    const host = fullHost(name, namespace);
    const scopes = ['*', ...(exportTo.length === 0 ? [namespace] : exportTo.map((e) => (e === '.' ? namespace : e)))];
    for (const scope of scopes) {
      const known = this.#hosts.get(`${scope}/${host}`);
      if (known !== undefined) return known;
    }
    for (const [key, known] of this.#hosts) {
      const slash = key.indexOf('/');
      const scope = key.slice(0, slash);
      const pattern = key.slice(slash + 1);
      if (!isWildcard(pattern) || (scope !== '*' && scope !== namespace)) continue;
      if (name.replace(/^\*/, '').endsWith(pattern.slice(1))) return known;
    }
    return undefined;
  }

  #add(scope: string, namespace: string, name: string, host: KnownHost): void {
    this.#hosts.set(`${scope}/${fullHost(name, namespace)}`, host);
  }
}

/** A name as it is known everywhere: `reviews` of the namespace `default` is `reviews.default.svc.cluster.local`. */
export function fullHost(name: string, namespace: string): string {
  return resolveShortName(name, namespace, DOMAIN);
}

/** The namespaces in which something is seen: those that `exportTo` names, or `*` for all. */
export function exportScopes(exportTo: readonly string[], namespace: string): readonly string[] {
  if (exportTo.length === 0 || exportTo.includes('*')) return ['*'];
  return [...new Set(exportTo.map((scope) => (scope === '.' ? namespace : scope)))];
}
