import type { DestinationRuleSpec } from '../../config/kinds/destination-rule/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { exportToOf } from '../../registry/export-to.ts';
import { HostMap, resolveShortName } from '../../registry/host.ts';
import { type Labels, sameLabels, selects } from '../../registry/labels.ts';
import type { Service } from '../../registry/service.ts';
import type { Memo } from '../memo.ts';

/** One or more DestinationRules of one namespace for one host, merged. */
export interface DestinationRule {
  readonly host: string;
  readonly namespace: string;
  readonly spec: DestinationRuleSpec;
  /** Namespaces that may see it; undefined for the mesh's default. */
  readonly exportTo: ReadonlySet<string> | undefined;
  /** Labels of the proxies to which it applies; undefined for all. */
  readonly selector: Labels | undefined;
  /** The objects that it was made from; the first gave the traffic policy, if it has one. */
  readonly from: readonly ConfigObject<DestinationRuleSpec>[];
}

const NONE: readonly DestinationRule[] = [];

export interface DestinationRuleOptions {
  readonly domain: string;
  readonly rootNamespace: string;
  readonly defaultExportTo: ReadonlySet<string>;
  /** Whether only rules with equal exportTo are merged. */
  readonly compareExportTo: boolean;
}

/** All DestinationRules, merged by host, with the order in which namespaces are asked. */
export class DestinationRuleIndex {
  readonly #options: DestinationRuleOptions;
  readonly #local = new Map<string, HostMap<DestinationRule[]>>();
  readonly #exported = new Map<string, HostMap<DestinationRule[]>>();
  readonly #rootPrivate = new HostMap<DestinationRule[]>();
  readonly #merge: Memo<DestinationRule>;
  readonly #found = new Map<string, readonly DestinationRule[]>();
  /** Whether any rule is for some workloads only. */
  readonly hasSelectors: boolean;

  constructor(
    objects: readonly ConfigObject<DestinationRuleSpec>[],
    options: DestinationRuleOptions,
    merged: Memo<DestinationRule>,
  ) {
    this.#options = options;
    this.#merge = merged;
    this.hasSelectors = objects.some((object) => object.spec.workloadSelector !== undefined);
    const ordered = [
      ...objects.filter((object) => object.spec.workloadSelector !== undefined),
      ...objects.filter((object) => object.spec.workloadSelector === undefined),
    ];
    for (const object of ordered) this.#add(this.#ruleOf(object));
  }

  /**
   * The rules that apply to a service as seen from a proxy's namespace, those for some workloads only first: rules of the
   * proxy's namespace, else of the service's, else of the root namespace.
   */
  lookup(proxyNamespace: string, service: Service): readonly DestinationRule[] {
    const key = `${proxyNamespace} ${service.namespace} ${service.hostname}`;
    let rules = this.#found.get(key);
    if (rules === undefined) {
      rules = this.#lookup(proxyNamespace, service);
      this.#found.set(key, rules);
    }
    return rules;
  }

  #lookup(proxyNamespace: string, { hostname, namespace }: Service): readonly DestinationRule[] {
    const { rootNamespace } = this.#options;
    const own =
      proxyNamespace === rootNamespace
        ? this.#rootPrivate.mostSpecific(hostname)
        : this.#local.get(proxyNamespace)?.mostSpecific(hostname);
    if (own !== undefined) return own;
    const ofService = this.#exportedFrom(namespace, hostname, proxyNamespace);
    return ofService.length > 0 ? ofService : this.#exportedFrom(rootNamespace, hostname, proxyNamespace);
  }

  #exportedFrom(owner: string, hostname: string, client: string): readonly DestinationRule[] {
    const rules = this.#exported.get(owner)?.mostSpecific(hostname) ?? NONE;
    return rules.filter(({ exportTo }) => exportTo === undefined || exportTo.has('*') || exportTo.has(client));
  }

  #ruleOf(object: ConfigObject<DestinationRuleSpec>): DestinationRule {
    const { spec, metadata } = object;
    const { namespace } = metadata;
    const forWorkloads = spec.workloadSelector !== undefined;
    return this.#merge.get([object], '', () => ({
      host: resolveShortName(spec.host, namespace, this.#options.domain),
      namespace,
      spec,
      exportTo: forWorkloads ? new Set([namespace]) : exportToOf(spec.exportTo, namespace),
      selector: spec.workloadSelector && (spec.workloadSelector.matchLabels ?? {}),
      from: [object],
    }));
  }

  #add(rule: DestinationRule): void {
    const { exportTo, namespace } = rule;
    const { defaultExportTo, rootNamespace } = this.#options;
    if (exportTo === undefined || exportTo.has('*') || exportTo.has(namespace)) {
      this.#put(hostsOf(this.#local, namespace), rule);
    }
    const onlyHere = exportTo === undefined ? defaultExportTo.has('.') : exportTo.size === 1 && exportTo.has(namespace);
    if (!onlyHere) this.#put(hostsOf(this.#exported, namespace), rule);
    else if (namespace === rootNamespace) this.#put(this.#rootPrivate, rule);
  }

  #put(hosts: HostMap<DestinationRule[]>, rule: DestinationRule): void {
    const existing = hosts.get(rule.host);
    if (existing === undefined) {
      hosts.set(rule.host, [rule]);
      return;
    }
    let separate = true;
    existing.forEach((other, i) => {
      if (other.selector !== undefined && rule.selector !== undefined && !sameLabels(other.selector, rule.selector)) {
        return;
      }
      if (this.#options.compareExportTo && !sameSet(other.exportTo, rule.exportTo)) return;
      if ((other.selector === undefined) === (rule.selector === undefined)) separate = false;
      existing[i] = this.#merge.get([other, rule], 'merge', () => merge(other, rule));
    });
    if (separate) existing.push(rule);
  }
}

function hostsOf(map: Map<string, HostMap<DestinationRule[]>>, namespace: string): HostMap<DestinationRule[]> {
  let hosts = map.get(namespace);
  if (hosts === undefined) map.set(namespace, (hosts = new HostMap()));
  return hosts;
}

/** Subsets that the first does not have are added; the traffic policy is the first's, or the second's if it has none. */
function merge(first: DestinationRule, second: DestinationRule): DestinationRule {
  const names = new Set(first.spec.subsets?.map((subset) => subset.name));
  const added = (second.spec.subsets ?? []).filter((subset) => !names.has(subset.name));
  const trafficPolicy = first.spec.trafficPolicy ?? second.spec.trafficPolicy;
  return {
    ...first,
    spec: {
      ...first.spec,
      subsets: [...(first.spec.subsets ?? []), ...added],
      ...(trafficPolicy === undefined ? {} : { trafficPolicy }),
    },
    exportTo: first.exportTo ?? second.exportTo,
    from: [...first.from, ...second.from],
  };
}

function sameSet(a: ReadonlySet<string> | undefined, b: ReadonlySet<string> | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.size === b.size && [...a].every((item) => b.has(item));
}

/** Of the rules for a service, the one for a proxy. Rules for some workloads only count for what their proxies send out. */
export function ruleFor(
  rules: readonly DestinationRule[],
  proxy: { readonly namespace: string; readonly labels: Labels },
  direction: 'inbound' | 'outbound',
): DestinationRule | undefined {
  let general: DestinationRule | undefined;
  for (const rule of rules) {
    if (rule.selector === undefined) general = rule;
    else if (direction === 'outbound' && rule.namespace === proxy.namespace && selects(rule.selector, proxy.labels)) {
      return rule;
    }
  }
  return general;
}
