import {
  type FilterConfig,
  type FilterTypeName,
  type ReadFilter,
  readFilter,
} from '../../config/kinds/shared/enroute-filters.ts';
import type { AttachedFilter, EnrouteService } from '../../config/kinds/shared/enroute-route.ts';
import type { ConfigObject, FieldPath } from '../../config/object.ts';
import type { Findings } from './findings.ts';
import type { Config } from './gateways.ts';

/** A filter that is honoured, with what it was written in. */
export interface Filter<T extends FilterTypeName = FilterTypeName> {
  readonly type: T;
  readonly config: FilterConfig<T>;
  readonly service: EnrouteService | undefined;
  readonly object: ConfigObject;
}

/** The filters that apply to something, or why one of them cannot be honoured. */
export interface Attached {
  readonly filters: readonly Filter[];
  readonly problem: string | undefined;
}

/** Types of filters that ask a service. */
const ASK_SERVICES: ReadonlySet<string> = new Set(['http_filter_jwt', 'http_filter_extauthz']);

/** Every filter and setting that applies to the gateways as a whole. */
export function gatewayFilters(config: Config, findings: Findings): Attached {
  const filters: Filter[] = [];
  let problem: string | undefined;
  const take = (object: ConfigObject, read: ReadFilter, service: EnrouteService | undefined) => {
    if ('problem' in read) problem ??= refused(object, read, findings);
    else {
      filters.push({ type: read.type, config: read.config, service, object });
      if (service !== undefined && !ASK_SERVICES.has(read.type)) {
        findings.add(object, ['spec', 'services'], `have no effect on a filter of type ${read.type}`);
      }
    }
  };
  for (const object of config.list('HttpFilter')) {
    const { type, httpFilterConfig, services } = object.spec;
    // What is for hosts that name it concerns nobody else.
    if (/^(vh|route)_filter_/.test(type ?? '')) continue;
    take(object, readFilter(type, httpFilterConfig?.config), services);
  }
  for (const object of config.list('PolicyOverlay')) {
    const { type, policyOverlayConfig, services } = object.spec;
    take(object, readFilter(type, policyOverlayConfig?.config), services);
  }
  return { filters, problem };
}

function refused(object: ConfigObject, read: { readonly problem: string }, findings: Findings): string {
  findings.add(object, ['spec', 'type'], `cannot be honoured (${read.problem}): every host of EnRoute answers 503`);
  return reason(object, read.problem);
}

function reason({ kind, metadata: { namespace, name } }: ConfigObject, problem: string): string {
  return `${kind} ${namespace}/${name}: ${problem}`;
}

/** The settings of all gateways, of each type the oldest. */
export class GlobalSettings {
  readonly #settings = new Map<FilterTypeName, Filter>();
  readonly problem: string | undefined;

  constructor(config: Config, findings: Findings) {
    for (const object of config.list('GlobalConfig')) {
      const read = readFilter(object.spec.type, object.spec.config);
      if ('problem' in read) {
        this.problem ??= refused(object, read, findings);
        continue;
      }
      const first = this.#settings.get(read.type)?.object.metadata;
      if (read.type === 'globalconfig_globals' && read.config.linkerd_enabled) {
        findings.add(object, ['spec', 'config'], 'has linkerd_enabled, which has no effect: there is no Linkerd here');
      }
      if (first === undefined) {
        this.#settings.set(read.type, { type: read.type, config: read.config, service: undefined, object });
      } else {
        const message = `has no effect: GlobalConfig ${first.namespace}/${first.name} is of this type, and older`;
        findings.add(object, ['spec', 'type'], message);
      }
    }
  }

  get<T extends FilterTypeName>(type: T): Filter<T> | undefined {
    return this.#settings.get(type) as Filter<T> | undefined;
  }
}

/** The filters that a host or a route names. */
export function attachedFilters(
  kind: 'HttpFilter' | 'RouteFilter',
  attached: readonly AttachedFilter[],
  source: ConfigObject,
  path: FieldPath,
  config: Config,
  findings: Findings,
): Attached {
  const filters: Filter[] = [];
  let problem: string | undefined;
  const { namespace } = source.metadata;
  for (const [i, { name, type }] of attached.entries()) {
    const at = [...path, i];
    const object =
      config.get(kind, namespace, name) ?? config.list(kind, namespace).find(({ spec }) => spec.name === name);
    if (object === undefined) {
      const message = `names no ${kind}: ${namespace}/${name}`;
      findings.add(source, [...at, 'name'], message, kind);
      problem ??= `filter ${name}: there is no ${kind} ${namespace}/${name}`;
      continue;
    }
    const { spec } = object;
    const text =
      'httpFilterConfig' in spec
        ? spec.httpFilterConfig
        : 'routeFilterConfig' in spec
          ? spec.routeFilterConfig
          : undefined;
    const read = readFilter(spec.type, text?.config);
    if ('problem' in read) {
      findings.add(source, [...at, 'name'], `names a filter that cannot be honoured (${read.problem}): it answers 503`);
      problem ??= reason(object, read.problem);
      continue;
    }
    const wanted = readFilter(type, text?.config);
    if (!('type' in wanted) || wanted.type !== read.type) {
      problem ??= findings.add(source, [...at, 'type'], `is ${type}, and ${kind} ${namespace}/${name} is ${spec.type}`);
      continue;
    }
    filters.push({ type: read.type, config: read.config, service: spec.services, object });
  }
  return { filters, problem };
}

/** The filter of a type, of which there is at most one. */
export function filterOf<T extends FilterTypeName>({ filters }: Attached, type: T): Filter<T> | undefined {
  return filters.find((filter): filter is Filter<T> => filter.type === type);
}
