import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type {
  ListenerFilter,
  ListenerFilterChainMatchPredicate as Predicate,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { HttpInspectorSchema } from '../../api/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts';
import { OriginalDstSchema } from '../../api/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts';
import {
  type OriginalSrc,
  OriginalSrcSchema,
} from '../../api/gen/envoy/extensions/filters/listener/original_src/v3/original_src_pb.ts';
import {
  type ProxyProtocol,
  ProxyProtocolSchema,
} from '../../api/gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.ts';
import { TlsInspectorSchema } from '../../api/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported, type SupportTable } from '../config/supported.ts';
import { configTypeName, decodeConfig } from '../config/typed-config.ts';
import { DiscoveredExtension, type ExtensionConfigs } from '../extension-config.ts';
import type { StatsStore } from '../observe/stats.ts';
import type { InitTarget } from './network-filter.ts';
import { SUPPORTED as PROXY_PROTOCOL, ProxyProtocolFilter } from './proxy-protocol.ts';

export const SUPPORTED: SupportTable = {
  ...PROXY_PROTOCOL,
  'envoy.config.listener.v3.ListenerFilter': ['name', 'typed_config', 'config_discovery', 'filter_disabled'],
  'envoy.config.listener.v3.ListenerFilterChainMatchPredicate': [
    'or_match',
    'and_match',
    'not_match',
    'any_match',
    'destination_port_range',
  ],
  'envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet': ['rules'],
  'envoy.type.v3.Int32Range': ['start', 'end'],
  'envoy.extensions.filters.listener.original_dst.v3.OriginalDst': [],
  'envoy.extensions.filters.listener.original_src.v3.OriginalSrc': ['bind_port', 'mark'],
  'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector': ['initial_read_buffer_size'],
  'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector': [],
};

/** Whether a filter has to do with connections to a port (`filter_disabled` does not match). */
type ForPort = (port: number) => boolean;

/** What the listener filters of a listener do, all together. */
export interface ListenerFilterEffects {
  /** Connections that were redirected are told where they were going. */
  readonly originalDst?: ForPort;
  /** Upstreams see the client's address; with its port, if so. */
  readonly originalSrc?: { readonly bindPort: boolean; readonly mark: number; readonly applies: ForPort };
  readonly proxyProtocol?: { readonly filter: ProxyProtocolFilter; readonly applies: ForPort };
  readonly tls?: ForPort;
  readonly http?: ForPort;
}

/** One listener filter, compiled. */
interface CompiledFilter {
  readonly effects: ListenerFilterEffects;
  dispose?(): void;
}

/** The listener filters of a listener; what they do may change while the listener is there (`config_discovery`). */
export class ListenerFilters {
  readonly #filters: readonly (CompiledFilter | DiscoveredExtension<CompiledFilter>)[];
  #effects: ListenerFilterEffects | undefined = undefined;
  #known = false;

  constructor(filters: readonly (CompiledFilter | DiscoveredExtension<CompiledFilter>)[]) {
    this.#filters = filters;
  }

  /** Undefined while one of them has no configuration: there are no connections then. */
  get effects(): ListenerFilterEffects | undefined {
    if (!this.#known) {
      this.#known = true;
      const all = this.#filters.map((filter) => (filter instanceof DiscoveredExtension ? filter.current : filter));
      this.#effects = all.includes(undefined) ? undefined : Object.assign({}, ...all.map((filter) => filter?.effects));
    }
    return this.#effects;
  }

  /** Another configuration has come for one of them. */
  changed(): void {
    this.#known = false;
  }

  /** The listener goes, or has other filters. */
  dispose(): void {
    for (const filter of this.#filters) filter.dispose?.();
  }
}

/** What listener filters get when they are compiled. */
export interface ListenerFilterContext {
  readonly stats: StatsStore;
  readonly extensions: ExtensionConfigs;
  /** Has the listener wait before it takes connections. */
  readonly waitFor: (target: InitTarget) => void;
}

/** One kind of listener filter. */
interface Kind {
  readonly name: string;
  readonly schema: DescMessage;
  compile(config: Message, applies: ForPort, stats: StatsStore): CompiledFilter;
}

const KINDS: readonly Kind[] = [
  {
    name: 'envoy.filters.listener.original_dst',
    schema: OriginalDstSchema,
    compile: (_config, originalDst) => ({ effects: { originalDst } }),
  },
  {
    name: 'envoy.filters.listener.original_src',
    schema: OriginalSrcSchema,
    compile(config, applies) {
      const { bindPort, mark } = config as OriginalSrc;
      return { effects: { originalSrc: { bindPort, mark, applies } } };
    },
  },
  {
    name: 'envoy.filters.listener.tls_inspector',
    schema: TlsInspectorSchema,
    compile: (_config, tls) => ({ effects: { tls } }),
  },
  {
    name: 'envoy.filters.listener.http_inspector',
    schema: HttpInspectorSchema,
    compile: (_config, http) => ({ effects: { http } }),
  },
  {
    name: 'envoy.filters.listener.proxy_protocol',
    schema: ProxyProtocolSchema,
    compile(config, applies, stats) {
      const filter = new ProxyProtocolFilter(config as ProxyProtocol, stats);
      return { effects: { proxyProtocol: { filter, applies } }, dispose: () => filter.dispose() };
    },
  },
];

/** Reads `listener_filters`. Whatever their order, they take effect in the order of the protocols that they read. */
export function compileListenerFilters(
  protos: readonly ListenerFilter[],
  context: ListenerFilterContext,
  errors: ConfigErrors,
): ListenerFilters {
  const compiled = protos.map((proto, i) => {
    const at = errors.at(i);
    const applies = proto.filterDisabled && not(predicate(proto.filterDisabled, at.at('filter_disabled')));
    const compile = (any: Any | undefined, where: ConfigErrors) =>
      compileFilter(proto.name, any, applies ?? always, context.stats, where);
    const { configType } = proto;
    if (configType.case !== 'configDiscovery') return compile(configType.value, at);
    const { extensions, waitFor } = context;
    const onUsed = () => filters.changed();
    const request = { kind: 'tcp_listener_filter', name: proto.name, source: configType.value } as const;
    return extensions.discover({ ...request, compile, waitFor, onUsed }, at.at('config_discovery'));
  });
  const filters: ListenerFilters = new ListenerFilters(compiled.filter((filter) => filter !== undefined));
  return filters;
}

function compileFilter(
  name: string,
  any: Any | undefined,
  applies: ForPort,
  stats: StatsStore,
  errors: ConfigErrors,
): CompiledFilter | undefined {
  const type = any && configTypeName(any);
  const kind = KINDS.find((one) => (type === undefined ? one.name === name : one.schema.typeName === type));
  if (kind === undefined) {
    errors.add(type === undefined ? 'name' : 'typed_config', `${type ?? JSON.stringify(name)} is not supported`);
    return undefined;
  }
  const at = errors.at('typed_config');
  const config = decodeConfig(kind.schema, any, at);
  if (config === undefined) return undefined;
  checkSupported(kind.schema, config, SUPPORTED, at);
  return at.any ? undefined : kind.compile(config, applies, stats);
}

const always: ForPort = () => true;
const not =
  (disabled: ForPort): ForPort =>
  (port) =>
    !disabled(port);

function predicate({ rule }: Predicate, errors: ConfigErrors): ForPort {
  switch (rule.case) {
    case 'anyMatch':
      return () => rule.value;
    case 'destinationPortRange':
      return (port) => port >= rule.value.start && port < rule.value.end;
    case 'notMatch': {
      const inner = predicate(rule.value, errors);
      return (port) => !inner(port);
    }
    case 'orMatch': {
      const rules = rule.value.rules.map((r) => predicate(r, errors));
      return (port) => rules.some((r) => r(port));
    }
    case 'andMatch': {
      const rules = rule.value.rules.map((r) => predicate(r, errors));
      return (port) => rules.every((r) => r(port));
    }
    default:
      errors.add('', 'a rule is needed');
      return () => false;
  }
}
