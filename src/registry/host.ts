/** Whether a host name stands for many: `*`, `*.example.com`. */
export function isWildcard(host: string): boolean {
  return host.charCodeAt(0) === 42;
}

/** Whether some host is covered by both names; a name without wildcard covers itself. */
export function hostsMatch(a: string, b: string): boolean {
  if (isWildcard(a)) {
    if (!isWildcard(b)) return b.endsWith(a.slice(1));
    return a.length < b.length ? b.endsWith(a.slice(1)) : a.endsWith(b.slice(1));
  }
  return isWildcard(b) ? a.endsWith(b.slice(1)) : a === b;
}

/** Whether every host that `inner` covers is covered by `outer`. */
export function hostSubsetOf(inner: string, outer: string): boolean {
  if (isWildcard(inner)) return isWildcard(outer) && inner.length >= outer.length && inner.endsWith(outer.slice(1));
  return isWildcard(outer) ? inner.endsWith(outer.slice(1)) : inner === outer;
}

/** The narrower of each pair of names of which one covers the other, in order of the first list. */
export function intersectHosts(a: readonly string[], b: readonly string[]): string[] {
  const result = new Set<string>();
  for (const left of a) {
    for (const right of b) {
      if (hostSubsetOf(left, right)) result.add(left);
      else if (hostSubsetOf(right, left)) result.add(right);
    }
  }
  return [...result];
}

/** Those of a server's hosts (`host` or `namespace/host`) that are open to a namespace, without the namespace. */
export function hostsForNamespace(hosts: readonly string[], namespace: string): string[] {
  const result: string[] = [];
  for (const host of hosts) {
    const slash = host.indexOf('/');
    if (slash === -1) result.push(host);
    else {
      const owner = host.slice(0, slash);
      if (owner === namespace || owner === '*') result.push(host.slice(slash + 1));
    }
  }
  return result;
}

/** Values by host name, kept so that the most specific name that covers a host is found. */
export class HostMap<T> {
  readonly #exact = new Map<string, T>();
  readonly #wildcards = new Map<string, T>();

  get(host: string): T | undefined {
    return (isWildcard(host) ? this.#wildcards : this.#exact).get(host);
  }

  set(host: string, value: T): void {
    (isWildcard(host) ? this.#wildcards : this.#exact).set(host, value);
  }

  get size(): number {
    return this.#exact.size + this.#wildcards.size;
  }

  /** The value of the longest name that covers `host`; of names as long, the first by alphabet. */
  mostSpecific(host: string): T | undefined {
    const same = this.get(host);
    if (same !== undefined) return same;
    const wild = isWildcard(host);
    let best: string | undefined;
    for (const candidate of this.#wildcards.keys()) {
      if (!(wild ? hostSubsetOf(host, candidate) : hostsMatch(host, candidate))) continue;
      if (
        best === undefined ||
        candidate.length > best.length ||
        (candidate.length === best.length && candidate < best)
      ) {
        best = candidate;
      }
    }
    return best === undefined ? undefined : this.#wildcards.get(best);
  }
}

/**
 * A short name in an object of `namespace` made whole: `reviews` is `reviews.NAMESPACE.svc.DOMAIN`. Names with a dot, and
 * wildcards, are whole already.
 */
export function resolveShortName(host: string, namespace: string, domain: string): string {
  return host === '' || host.includes('.') || isWildcard(host) ? host : `${host}.${namespace}.svc.${domain}`;
}
