import { create } from '@bufbuild/protobuf';
import {
  type HttpConnectionManager_Tracing,
  HttpConnectionManager_TracingSchema,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import type { ExtensionProvider } from '../../config/kinds/mesh-config/schema.ts';
import type { CustomTag } from '../../config/kinds/telemetry/schema.ts';
import { providerNamed } from '../extension-providers.ts';
import { Memo } from '../memo.ts';
import type { ListenerClass, ProxyView } from '../proxy-view.ts';
import { isForSide, type Side, telemetryOf } from './applicable.ts';
import { byTag, customTags, istioTags } from './custom-tags.ts';
import { tracerOf } from './tracing-providers.ts';

/** How an HTTP connection manager takes part in traces. */
export interface TracingConfig {
  readonly tracing: HttpConnectionManager_Tracing | undefined;
  /** Whether the request ID says if a request is sampled; undefined leaves it to Envoy. */
  readonly sampleByRequestId: boolean | undefined;
}

interface Spec {
  provider: ExtensionProvider | undefined;
  disabled: boolean;
  sampling: number | undefined;
  tags: Readonly<Record<string, CustomTag>> | undefined;
  sampleByRequestId: boolean;
  propagates: boolean;
  istioTags: boolean;
}

const known = new Memo<TracingConfig>();

/** The tracing of one side of a proxy: by Telemetry, or else by the mesh. */
export function tracingOf(proxy: ProxyView, listenerClass: ListenerClass): TracingConfig {
  const telemetry = telemetryOf(proxy);
  const { config, indexes, mesh, features } = proxy;
  const side: Side = listenerClass === 'inbound' ? 'SERVER' : 'CLIENT';
  return known.get([telemetry, mesh, config, indexes.registry.services, features], `${side} ${proxy.key}`, () => {
    const spec = specOf(proxy, side);
    return spec === undefined ? fromMesh(proxy) : fromSpec(proxy, spec);
  });
}

/** What Telemetry and the mesh's default provider say; undefined if they say nothing. */
function specOf(proxy: ProxyView, side: Side): Spec | undefined {
  const { tracing } = telemetryOf(proxy);
  const defaults = proxy.mesh.defaultProviders.tracing ?? [];
  if (tracing.length === 0 && defaults.length === 0) return undefined;
  const spec: Spec = {
    provider: defaults.length > 0 ? providerNamed(proxy.mesh, defaults[0]!) : undefined,
    disabled: false,
    sampling: undefined,
    tags: undefined,
    sampleByRequestId: true,
    propagates: true,
    istioTags: true,
  };
  for (const item of tracing) {
    if (!isForSide(item.match?.mode, side)) continue;
    if (item.providers?.length) spec.provider = providerNamed(proxy.mesh, item.providers[0]!.name ?? '');
    spec.disabled = item.disableSpanReporting ?? spec.disabled;
    spec.sampling = item.randomSamplingPercentage ?? spec.sampling;
    spec.tags = item.customTags ?? spec.tags;
    spec.sampleByRequestId = item.useRequestIdForTraceSampling ?? spec.sampleByRequestId;
    spec.propagates = !(item.disableContextPropagation ?? !spec.propagates);
    spec.istioTags = item.enableIstioTags ?? spec.istioTags;
  }
  if (spec.provider === undefined) spec.disabled = true;
  return spec;
}

/** MeshConfig `enableTracing` and ProxyConfig `tracing`. */
function fromMesh(proxy: ProxyView): TracingConfig {
  if (!proxy.mesh.enableTracing) return { tracing: undefined, sampleByRequestId: undefined };
  const { tracing } = proxy.config;
  const tags = tracing?.enableIstioTags === false ? [] : istioTags(proxy);
  return {
    tracing: create(HttpConnectionManager_TracingSchema, {
      ...sampling(samplingOf(proxy)),
      customTags: [...tags, ...customTags(tracing?.customTags)].sort(byTag),
      ...maxPathTagLength(tracing?.maxPathTagLength),
    }),
    sampleByRequestId: undefined,
  };
}

function fromSpec(proxy: ProxyView, spec: Spec): TracingConfig {
  const { indexes, config, node } = proxy;
  const none = { tracing: undefined, sampleByRequestId: undefined };
  if (spec.disabled || spec.provider === undefined) return none;
  const tracer = tracerOf(indexes.registry, spec.provider, node);
  if (tracer === undefined) return none;
  const own = Object.keys(spec.tags ?? {}).length > 0 ? spec.tags : config.tracing?.customTags;
  const tracing = create(HttpConnectionManager_TracingSchema, {
    ...sampling(tracer.samples ? 100 : (spec.sampling ?? samplingOf(proxy))),
    customTags: [...(spec.istioTags ? istioTags(proxy) : []), ...customTags(own)].sort(byTag),
    ...maxPathTagLength(tracer.maxTagLength || config.tracing?.maxPathTagLength),
    // A gateway stands between two others: what it does is a span of its own.
    ...(tracer.spawnUpstreamSpan || !proxy.isSidecar ? { spawnUpstreamSpan: true } : {}),
    provider: tracer.provider,
    noContextPropagation: !spec.propagates,
  });
  return { tracing, sampleByRequestId: spec.sampleByRequestId };
}

function sampling(percent: number) {
  return {
    clientSampling: { value: 100 },
    randomSampling: { value: percent },
    overallSampling: { value: 100 },
  };
}

function samplingOf({ config, features }: ProxyView): number {
  const own = config.tracing?.sampling;
  return own ? (own > 100 ? 1 : own) : features.traceSampling;
}

function maxPathTagLength(length: number | undefined) {
  return length ? { maxPathTagLength: length } : {};
}
