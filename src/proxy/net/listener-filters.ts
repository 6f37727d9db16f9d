import { fromBinary } from '@bufbuild/protobuf';
import type {
  ListenerFilter,
  ListenerFilterChainMatchPredicate as Predicate,
} from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { HttpInspectorSchema } from '../../api/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts';
import { OriginalDstSchema } from '../../api/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts';
import { OriginalSrcSchema } from '../../api/gen/envoy/extensions/filters/listener/original_src/v3/original_src_pb.ts';
import { ProxyProtocolSchema } from '../../api/gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.ts';
import { TlsInspectorSchema } from '../../api/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts';
import { typeNameOf } from '../../api/registry.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { checkSupported, type SupportTable } from '../config/supported.ts';
import type { StatsStore } from '../observe/stats.ts';
import { SUPPORTED as PROXY_PROTOCOL, ProxyProtocolFilter } from './proxy-protocol.ts';

export const SUPPORTED: SupportTable = {
  ...PROXY_PROTOCOL,
  'envoy.config.listener.v3.ListenerFilter': ['name', 'typed_config', 'filter_disabled'],
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
  'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector': ['initial_read_buffer_size'],
  'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector': [],
};

/** Whether a filter sits out for connections to a port. */
type Disabled = (port: number) => boolean;

/** The listener filters of a listener, compiled. */
export interface ListenerFilters {
  readonly originalDst: boolean;
  /** Upstreams see the client's address; with its port, if so. */
  readonly originalSrc: { readonly bindPort: boolean; readonly mark: number } | undefined;
  readonly proxyProtocol: ProxyProtocolFilter | undefined;
  tls(port: number): boolean;
  http(port: number): boolean;
  /** The listener goes, or has other filters. */
  dispose(): void;
}

const NAMES: Readonly<Record<string, string>> = {
  'envoy.filters.listener.original_dst': OriginalDstSchema.typeName,
  'envoy.filters.listener.original_src': OriginalSrcSchema.typeName,
  'envoy.filters.listener.tls_inspector': TlsInspectorSchema.typeName,
  'envoy.filters.listener.http_inspector': HttpInspectorSchema.typeName,
  'envoy.filters.listener.proxy_protocol': ProxyProtocolSchema.typeName,
};

/** Reads `listener_filters`. Whatever their order, they take effect in the order of the protocols that they read. */
export function compileListenerFilters(
  protos: readonly ListenerFilter[],
  stats: StatsStore,
  errors: ConfigErrors,
): ListenerFilters {
  let originalDst = false;
  let originalSrc: ListenerFilters['originalSrc'];
  let proxyProtocol: ListenerFilters['proxyProtocol'];
  let tlsDisabled: Disabled | undefined;
  let httpDisabled: Disabled | undefined;
  protos.forEach((proto, i) => {
    const at = errors.at(i);
    const any = proto.configType.case === 'typedConfig' ? proto.configType.value : undefined;
    const type = any === undefined ? NAMES[proto.name] : typeNameOf(any.typeUrl);
    const disabled = proto.filterDisabled ? predicate(proto.filterDisabled, at.at('filter_disabled')) : () => false;
    switch (type) {
      case OriginalDstSchema.typeName:
        originalDst = true;
        break;
      case OriginalSrcSchema.typeName: {
        const config = fromBinary(OriginalSrcSchema, any?.value ?? new Uint8Array(0));
        originalSrc = { bindPort: config.bindPort, mark: config.mark };
        break;
      }
      case TlsInspectorSchema.typeName:
        tlsDisabled = disabled;
        break;
      case HttpInspectorSchema.typeName:
        httpDisabled = disabled;
        break;
      case ProxyProtocolSchema.typeName: {
        const config = fromBinary(ProxyProtocolSchema, any?.value ?? new Uint8Array(0));
        checkSupported(ProxyProtocolSchema, config, SUPPORTED, at.at('typed_config'));
        proxyProtocol = new ProxyProtocolFilter(config, stats);
        break;
      }
      default:
        at.add(any === undefined ? 'name' : 'typed_config', `${any?.typeUrl ?? proto.name} is not supported`);
    }
  });
  return {
    originalDst,
    originalSrc,
    proxyProtocol,
    tls: (port) => tlsDisabled !== undefined && !tlsDisabled(port),
    http: (port) => httpDisabled !== undefined && !httpDisabled(port),
    dispose: () => proxyProtocol?.dispose(),
  };
}

function predicate({ rule }: Predicate, errors: ConfigErrors): Disabled {
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
