import { create } from '@bufbuild/protobuf';
import { type Filter, FilterSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { type ExtendedListener, extensionNetworkFilters, type Phase } from '../extension/traffic-extensions.ts';
import { TCP_METADATA_EXCHANGE } from '../filters/metadata-exchange.ts';
import type { ListenerClass, ProxyView } from '../proxy-view.ts';
import { type Authorization, authorizationOf } from '../security/authorization.ts';
import { STATS_FILTER, statsFilters } from '../telemetry/metrics.ts';

/** Istio's metrics of TCP, where telemetry wants them. */
export function tcpStatsFilters(proxy: ProxyView, listenerClass: ListenerClass): Filter[] {
  return statsFilters(proxy, listenerClass).map((value) =>
    create(FilterSchema, { name: STATS_FILTER, configType: { case: 'typedConfig', value } }),
  );
}

/** Metadata exchange for what comes in; for what goes out, clusters do it. */
export function exchangeFilters({ features }: ProxyView): Filter[] {
  return features.metadataExchange ? [TCP_METADATA_EXCHANGE] : [];
}

const NOBODY_ASKED: Guards = { customTcp: [], tcp: [] };

/** What decides who may open a connection. */
type Guards = Pick<Authorization, 'customTcp' | 'tcp'>;

/**
 * All filters of a connection that carries no HTTP. Sidecars do not ask who may call out, unless it is said (`guards`); gateways
 * and those that are called do.
 */
export function networkFilters(
  proxy: ProxyView,
  listener: ExtendedListener,
  terminal: readonly Filter[],
  exchanges: boolean,
  guards?: Guards,
): Filter[] {
  const { listenerClass } = listener;
  const extensions = (phase: Phase) => extensionNetworkFilters(proxy, listener, phase);
  const { customTcp, tcp } = guards ?? (listenerClass === 'outbound' ? NOBODY_ASKED : authorizationOf(proxy));
  return [
    ...(exchanges ? exchangeFilters(proxy) : []),
    ...customTcp,
    ...extensions('AUTHN'),
    ...extensions('AUTHZ'),
    ...tcp,
    ...extensions('STATS'),
    ...extensions('UNSPECIFIED'),
    ...tcpStatsFilters(proxy, listenerClass),
    ...terminal,
  ];
}
