import type { LoadBalancerContext } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { HostSet } from './host-set.ts';
import type { BalancerEnvironment, LoadBalancer, Policy } from './load-balancer.ts';

/** A place in dynamic metadata: the filter's name, and the way down from there. */
export interface MetadataPath {
  readonly key: string;
  readonly path: readonly string[];
}

/** Where the addresses of hosts are read from: a request header, or dynamic metadata. */
export type OverrideSource = { readonly header: string } | { readonly metadata: MetadataPath };

export interface OverrideHostOptions {
  readonly sources: readonly OverrideSource[];
  /** Where the address of the host that was chosen is written. */
  readonly selected: MetadataPath | undefined;
}

/** Uses the hosts that a request names (`10.0.0.1:80, 10.0.0.2:80`), one for each attempt, and then another policy. */
class OverrideHostBalancer implements LoadBalancer {
  readonly #options: OverrideHostOptions;
  readonly #fallback: LoadBalancer;
  /** Names that are left of a request's. */
  readonly #left = new WeakMap<LoadBalancerContext, string[]>();
  #hosts: ReadonlyMap<string, Host> = new Map();

  constructor(options: OverrideHostOptions, fallback: LoadBalancer) {
    this.#options = options;
    this.#fallback = fallback;
  }

  get stats(): LoadBalancer['stats'] {
    return this.#fallback.stats;
  }

  update(priorities: readonly HostSet[]): void {
    this.#hosts = new Map(priorities.flatMap(({ hosts }) => hosts.map((host) => [host.name, host] as const)));
    this.#fallback.update(priorities);
  }

  pick(context: LoadBalancerContext): Host | undefined {
    const host = this.#named(context) ?? this.#fallback.pick(context);
    if (host !== undefined) this.#tell(context, host);
    return host;
  }

  #named(context: LoadBalancerContext): Host | undefined {
    let left = this.#left.get(context);
    if (left === undefined) {
      left = this.#options.sources.flatMap((source) => addresses(source, context));
      this.#left.set(context, left);
    }
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      const host = this.#hosts.get(name);
      if (host !== undefined) return host;
    }
    return undefined;
  }

  #tell(context: LoadBalancerContext, host: Host): void {
    const { selected } = this.#options;
    if (selected === undefined || context.info === undefined) return;
    const value = selected.path.reduceRight<unknown>((inner, step) => ({ [step]: inner }), host.name);
    context.info.setDynamicMetadata(selected.key, value as Record<string, unknown>);
  }
}

function addresses(source: OverrideSource, { headers, info }: LoadBalancerContext): string[] {
  const text = 'header' in source ? headers?.get(source.header) : at(info?.dynamicMetadata, source.metadata);
  if (typeof text !== 'string') return [];
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function at(metadata: ReadonlyMap<string, unknown> | undefined, { key, path }: MetadataPath): unknown {
  let value = metadata?.get(key);
  for (const step of path) value = (value as Record<string, unknown> | undefined)?.[step];
  return value;
}

/** `envoy.load_balancing_policies.override_host`. */
export function overrideHost(options: OverrideHostOptions, fallback: Policy): Policy {
  return {
    name: 'envoy.load_balancing_policies.override_host',
    create: (environment: BalancerEnvironment) => new OverrideHostBalancer(options, fallback.create(environment)),
  };
}
