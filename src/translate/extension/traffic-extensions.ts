import { create } from '@bufbuild/protobuf';
import {
  ApiVersion,
  type ConfigSource,
  ConfigSourceSchema,
} from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import { type Filter, FilterSchema } from '../../api/gen/envoy/config/listener/v3/listener_components_pb.ts';
import { LuaSchema } from '../../api/gen/envoy/extensions/filters/http/lua/v3/lua_pb.ts';
import {
  type HttpFilter,
  HttpFilterSchema,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import type { TrafficSelector } from '../../config/kinds/shared/selector.ts';
import type { Wasm } from '../../config/kinds/shared/wasm.ts';
import type { TrafficExtensionSpec } from '../../config/kinds/traffic-extension/schema.ts';
import type { WasmPluginSpec } from '../../config/kinds/wasm-plugin/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import { perObject } from '../../registry/reuse.ts';
import { Memo } from '../memo.ts';
import { filter } from '../proto/any.ts';
import { duration } from '../proto/values.ts';
import type { ListenerClass, ProxyView } from '../proxy-view.ts';

/** Where among the filters of Istio an extension stands. */
export type Phase = 'AUTHN' | 'AUTHZ' | 'STATS' | 'UNSPECIFIED';

/** A TrafficExtension, or a WasmPlugin, which says the same of WebAssembly only. */
export interface TrafficExtension {
  /** Name of its filter, and of the extension configuration of that. */
  readonly name: string;
  readonly phase: Phase;
  readonly match: readonly TrafficSelector[];
  readonly lua: string | undefined;
  readonly wasm: Wasm | undefined;
  readonly source: ConfigObject;
}

/** The listener that extensions are chosen for. */
export interface ExtendedListener {
  readonly listenerClass: ListenerClass;
  /** As callers know it. */
  readonly port: number;
}

const PREFIX = 'extensions.istio.io/trafficextension/';

type Source = ConfigObject<TrafficExtensionSpec> | ConfigObject<WasmPluginSpec>;

const extensionOf = perObject((source: Source): TrafficExtension => {
  const { name, namespace } = source.metadata;
  const { phase } = source.spec;
  const isPlugin = source.kind === 'WasmPlugin';
  const { lua, wasm } = isPlugin
    ? { lua: undefined, wasm: source.spec as WasmPluginSpec }
    : (source.spec as TrafficExtensionSpec);
  return {
    name: `${PREFIX}${namespace}.${name}`,
    phase: phase === 'AUTHN' || phase === 'AUTHZ' || phase === 'STATS' ? phase : 'UNSPECIFIED',
    match: source.spec.match ?? [],
    lua: lua?.inlineCode,
    wasm,
    source,
  };
});

const ordered = new Memo<readonly TrafficExtension[]>();

/** The extensions for a proxy, by priority, those of one priority by name. */
export function trafficExtensionsOf({ indexes, labels, namespace }: ProxyView): readonly TrafficExtension[] {
  const target = { labels, namespace };
  const extensions = indexes.trafficExtensions.for(target);
  const plugins = indexes.wasmPlugins.for(target);
  return ordered.get([extensions, plugins], '', () =>
    [...extensions, ...plugins].sort(byPriority).map((source) => extensionOf(source)),
  );
}

function byPriority({ metadata: m, spec: a }: Source, { metadata: n, spec: b }: Source): number {
  const [first, second] = [a, b].map(({ priority }) => priority ?? Number.NEGATIVE_INFINITY) as [number, number];
  if (first !== second) return second > first ? 1 : -1;
  return `${m.namespace}.${m.name}` < `${n.namespace}.${n.name}` ? -1 : 1;
}

function isNetwork({ wasm }: TrafficExtension): boolean {
  return wasm?.type === 'NETWORK';
}

/** Whether an extension is for a listener. A gateway's listeners are clients' ones, as a sidecar's outbound ones are. */
function isFor({ match }: TrafficExtension, { listenerClass, port }: ExtendedListener): boolean {
  if (match.length === 0) return true;
  const side = listenerClass === 'inbound' ? 'SERVER' : 'CLIENT';
  return match.some(({ mode = 'UNDEFINED', ports = [] }) => {
    if (mode !== 'UNDEFINED' && mode !== 'CLIENT_AND_SERVER' && mode !== side) return false;
    return ports.length === 0 || ports.some(({ number }) => number === port);
  });
}

const SOURCE: ConfigSource = create(ConfigSourceSchema, {
  configSourceSpecifier: { case: 'ads', value: {} },
  // Who may do what can depend on it, so nothing is served before it is there.
  initialFetchTimeout: duration(0),
  resourceApiVersion: ApiVersion.V3,
});

const TYPE_PREFIX = 'type.googleapis.com/envoy.extensions.filters';

function discovered(name: string, kind: 'http' | 'network') {
  const typeUrls = [`${TYPE_PREFIX}.${kind}.wasm.v3.Wasm`, `${TYPE_PREFIX}.${kind}.rbac.v3.RBAC`];
  return { name, configType: { case: 'configDiscovery' as const, value: { configSource: SOURCE, typeUrls } } };
}

const httpFilterOf = perObject(({ lua, name }: TrafficExtension): HttpFilter => {
  if (lua === undefined) return create(HttpFilterSchema, discovered(name, 'http'));
  const defaultSourceCode = { specifier: { case: 'inlineString' as const, value: lua } };
  return create(HttpFilterSchema, filter(name, LuaSchema, { defaultSourceCode }));
});

const networkFilterOf = perObject(
  ({ name }: TrafficExtension): Filter => create(FilterSchema, discovered(name, 'network')),
);

/** The HTTP filters of a phase. */
export function extensionHttpFilters(proxy: ProxyView, listener: ExtendedListener, phase: Phase): HttpFilter[] {
  return trafficExtensionsOf(proxy)
    .filter((extension) => extension.phase === phase && !isNetwork(extension) && isFor(extension, listener))
    .map(httpFilterOf);
}

/** The filters of a phase for connections. Lua there is only for HTTP. */
export function extensionNetworkFilters(proxy: ProxyView, listener: ExtendedListener, phase: Phase): Filter[] {
  return trafficExtensionsOf(proxy)
    .filter((extension) => extension.phase === phase && isNetwork(extension) && isFor(extension, listener))
    .map(networkFilterOf);
}

const PHASES: readonly Phase[] = ['AUTHN', 'AUTHZ', 'STATS', 'UNSPECIFIED'];

/** Those of all phases, which stand before what is done with HTTP. */
export function extensionFiltersBeforeHttp(proxy: ProxyView, listener: ExtendedListener): Filter[] {
  return PHASES.flatMap((phase) => extensionNetworkFilters(proxy, listener, phase));
}
