import type { LoadBalancerContext } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { type HostSet, type LocalityHosts, NO_HOSTS } from './host-set.ts';
import type { BalancerEnvironment, LoadBalancer, Policy } from './load-balancer.ts';
import { hasLabels, keysText, type Labels, labelsOf, subsetsOf, subsetText } from './subset-keys.ts';
import type { SubsetOptions, SubsetSelector } from './subset-options.ts';

/** What a request asks for, in the forms that looking it up needs; worked out once for each route. */
interface Criteria {
  readonly keys: string;
  readonly subset: string;
  readonly labels: Labels;
  /** Further criteria to try in turn, with those of this one that they do not replace. */
  readonly alternatives: readonly Criteria[] | undefined;
  /** The same with the keys of a `fallback_keys_subset` only, by the selector that says so. */
  readonly reduced: Map<SubsetSelector, Criteria>;
}

/** Key of criteria under which further ones are listed. */
const FALLBACK_LIST = 'fallback_list';

/** Hosts with the same values of some keys, and the policy at work among them. */
class Subset {
  readonly balancer: LoadBalancer;
  hasHosts = false;

  constructor(balancer: LoadBalancer) {
    this.balancer = balancer;
  }

  update(sets: readonly HostSet[]): void {
    this.hasHosts = sets.some((set) => set.hosts.length > 0);
    this.balancer.update(sets);
  }
}

/** Divides the hosts of a cluster by their metadata, and chooses among those that a request's route asks for. */
class SubsetBalancer implements LoadBalancer {
  readonly #options: SubsetOptions;
  readonly #policy: Policy;
  readonly #environment: BalancerEnvironment;
  readonly #selectors: ReadonlyMap<string, SubsetSelector>;
  readonly #criteria = new WeakMap<Labels, Criteria>();
  readonly #any: Subset;
  readonly #default: Subset;
  #subsets = new Map<string, Subset>();
  #sets: readonly HostSet[] = NO_HOSTS;
  #stale = false;

  constructor(options: SubsetOptions, policy: Policy, environment: BalancerEnvironment) {
    this.#options = options;
    this.#policy = policy;
    this.#environment = environment;
    this.#selectors = new Map(options.selectors.map((selector) => [keysText(selector.keys), selector]));
    this.#any = new Subset(policy.create(environment));
    this.#default = new Subset(policy.create(environment));
  }

  get stats(): LoadBalancer['stats'] {
    return this.#any.balancer.stats;
  }

  update(priorities: readonly HostSet[]): void {
    this.#sets = priorities;
    this.#stale = true;
  }

  #refresh(): void {
    this.#stale = false;
    const { selectors, listAsAny, defaultSubset } = this.#options;
    this.#any.update(this.#part(() => true));
    this.#default.update(this.#part((host) => hasLabels(labelsOf(host), defaultSubset, listAsAny)));
    const members = new Map<string, Set<Host>>();
    let duplicates = 0;
    for (const { hosts } of this.#sets) {
      for (const host of hosts) {
        for (const selector of selectors) {
          for (const text of subsetsOf(labelsOf(host), selector, listAsAny)) {
            const group = members.get(text);
            if (group === undefined) members.set(text, new Set([host]));
            else if (selector.singleHost) duplicates++;
            else group.add(host);
          }
        }
      }
    }
    this.#environment.counters.duplicatesInSubsets = duplicates;
    this.#replace(members);
  }

  #replace(members: ReadonlyMap<string, ReadonlySet<Host>>): void {
    const { counters } = this.#environment;
    const subsets = new Map<string, Subset>();
    for (const [text, hosts] of members) {
      let subset = this.#subsets.get(text);
      if (subset === undefined) {
        subset = new Subset(this.#policy.create(this.#environment));
        counters.lb_subsets_created++;
      }
      subset.update(this.#part((host) => hosts.has(host)));
      subsets.set(text, subset);
    }
    for (const text of this.#subsets.keys()) if (!subsets.has(text)) counters.lb_subsets_removed++;
    this.#subsets = subsets;
    counters.lb_subsets_active = subsets.size;
  }

  #part(test: (host: Host) => boolean): HostSet[] {
    const { localityWeightAware, scaleLocalityWeight } = this.#options;
    const weigh = (hosts: readonly Host[], before: LocalityHosts) => {
      if (!localityWeightAware) return 0;
      if (!scaleLocalityWeight || before.hosts.length === 0) return before.weight;
      const scaled = Math.floor((before.weight * hosts.length) / before.hosts.length);
      return Math.max(before.weight > 0 ? 1 : 0, scaled);
    };
    return this.#sets.map((set) => set.filter(test, weigh));
  }

  pick(context: LoadBalancerContext): Host | undefined {
    if (this.#stale) this.#refresh();
    const labels = context.metadataMatch?.get('envoy.lb');
    if (labels === undefined) return this.#pickFor(context, undefined);
    const criteria = this.#criteriaOf(labels);
    if (criteria.alternatives === undefined) return this.#pickFor(context, criteria);
    for (const alternative of criteria.alternatives) {
      const host = this.#pickFor(context, alternative);
      if (host !== undefined) return host;
    }
    return undefined;
  }

  #pickFor(context: LoadBalancerContext, criteria: Criteria | undefined): Host | undefined {
    const { counters } = this.#environment;
    if (criteria !== undefined) {
      const subset = this.#subsets.get(criteria.subset);
      if (subset?.hasHosts) {
        counters.lb_subsets_selected++;
        return subset.balancer.pick(context);
      }
      const selector = this.#selectors.get(criteria.keys);
      if (selector?.fallback !== undefined) return this.#fallBack(context, criteria, selector);
    }
    const { fallback, panicModeAny } = this.#options;
    if (fallback === 'none') return undefined;
    const host = (fallback === 'any' ? this.#any : this.#default).balancer.pick(context);
    if (host !== undefined) {
      counters.lb_subsets_fallback++;
      return host;
    }
    const last = panicModeAny ? this.#any.balancer.pick(context) : undefined;
    if (last !== undefined) counters.lb_subsets_fallback_panic++;
    return last;
  }

  #fallBack(context: LoadBalancerContext, criteria: Criteria, selector: SubsetSelector): Host | undefined {
    switch (selector.fallback) {
      case 'any':
        return this.#any.balancer.pick(context);
      case 'default':
        return this.#default.balancer.pick(context);
      case 'keys':
        return this.#pickFor(context, this.#reduce(criteria, selector));
      default:
        return undefined;
    }
  }

  #reduce(criteria: Criteria, selector: SubsetSelector): Criteria {
    let reduced = criteria.reduced.get(selector);
    if (reduced === undefined) {
      const { fallbackKeys } = selector;
      const left = Object.entries(criteria.labels).filter(([key]) => fallbackKeys.includes(key));
      reduced = newCriteria(Object.fromEntries(left), undefined);
      criteria.reduced.set(selector, reduced);
    }
    return reduced;
  }

  #criteriaOf(labels: Labels): Criteria {
    let criteria = this.#criteria.get(labels);
    if (criteria === undefined) {
      criteria = this.#newCriteria(labels);
      this.#criteria.set(labels, criteria);
    }
    return criteria;
  }

  #newCriteria(labels: Labels): Criteria {
    const list = labels[FALLBACK_LIST];
    if (!this.#options.fallbackList || !Array.isArray(list)) return newCriteria(this.#wanted(labels), undefined);
    const { [FALLBACK_LIST]: _, ...own } = labels;
    const alternatives = list.length === 0 ? [{}] : list.filter((one) => typeof one === 'object' && one !== null);
    return newCriteria(
      own,
      alternatives.map((one) => newCriteria(this.#wanted({ ...own, ...(one as Labels) }), undefined)),
    );
  }

  /** What counts of the labels that a request asks for: all, unless redundant ones are allowed. */
  #wanted(labels: Labels): Labels {
    if (!this.#options.redundantKeys) return labels;
    let longest: readonly string[] = [];
    for (const { keys } of this.#options.selectors) {
      if (keys.length > longest.length && keys.every((key) => Object.hasOwn(labels, key))) longest = keys;
    }
    return longest.length === 0 ? labels : Object.fromEntries(longest.map((key) => [key, labels[key]]));
  }
}

function newCriteria(labels: Labels, alternatives: readonly Criteria[] | undefined): Criteria {
  const keys = Object.keys(labels).sort();
  return { keys: keysText(keys), subset: subsetText(keys, labels), labels, alternatives, reduced: new Map() };
}

/** Puts `lb_subset_config` over a policy. */
export function subsetPolicy(options: SubsetOptions, policy: Policy): Policy {
  return {
    name: 'envoy.load_balancing_policies.subset',
    create: (environment) => new SubsetBalancer(options, policy, environment),
  };
}
