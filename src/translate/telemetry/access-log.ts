import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type AccessLog,
  type AccessLogFilterSchema,
  AccessLogSchema,
} from '../../api/gen/envoy/config/accesslog/v3/accesslog_pb.ts';
import { ExpressionFilterSchema } from '../../api/gen/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.ts';
import type { AccessLogging } from '../../config/kinds/telemetry/schema.ts';
import { providerNamed } from '../extension-providers.ts';
import { Memo } from '../memo.ts';
import type { Mesh } from '../mesh.ts';
import { filter } from '../proto/any.ts';
import type { ListenerClass, ProxyView } from '../proxy-view.ts';
import { accessLogOf, accessLogService, meshAccessLog } from './access-log-providers.ts';
import { isForSide, providerNames, type Side, type Telemetry, telemetryOf } from './applicable.ts';

/** Where the proxy writes what it does, for HTTP, for TCP, and for connections that no filter chain takes. */
export interface AccessLogs {
  readonly http: readonly AccessLog[];
  readonly tcp: readonly AccessLog[];
  readonly listener: readonly AccessLog[];
}

type LogFilter = MessageInitShape<typeof AccessLogFilterSchema> & object;

/** NR: no filter chain, or no route. */
const NOT_ROUTED: LogFilter = {
  filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['NR'] } },
};

const known = new Memo<AccessLogs>();

/** The access logs of one side of a proxy: by Telemetry, or else by the mesh. */
export function accessLogs(proxy: ProxyView, listenerClass: ListenerClass): AccessLogs {
  const telemetry = telemetryOf(proxy);
  const { mesh, indexes } = proxy;
  const side: Side = listenerClass === 'inbound' ? 'SERVER' : 'CLIENT';
  return known.get([telemetry, mesh, indexes.registry.services], side, () => {
    const written = fromProviders(proxy, telemetry, side);
    const listener = mesh.disableEnvoyListenerLog === true ? () => [] : (logs: AccessLog[]) => logs;
    if (written === undefined) return { ...fromMesh(mesh), listener: listener(fromMesh(mesh).listener) };
    const withFilter = (...filters: LogFilter[]) =>
      written.map(({ log, expression }) => filtered(log, [...filters, ...(expression ? [expression] : [])]));
    return { http: withFilter(), tcp: withFilter(), listener: listener(withFilter(NOT_ROUTED)) };
  });
}

/** Without Telemetry and default providers, MeshConfig `accessLogFile` and `enableEnvoyAccessLogService` count. */
function fromMesh(mesh: Mesh) {
  const file = mesh.accessLogFile ? [meshAccessLog(mesh, mesh.accessLogFile)] : [];
  const service = (kind: 'http' | 'tcp' | 'listener') =>
    mesh.enableEnvoyAccessLogService === true ? [accessLogService(kind)] : [];
  return {
    http: [...file, ...service('http')],
    tcp: [...file, ...service('tcp')],
    listener: [...file, ...service('listener')].map((log) => filtered(log, [NOT_ROUTED])),
  };
}

function filtered(log: AccessLog, filters: readonly LogFilter[]): AccessLog {
  if (filters.length === 0) return log;
  const { name, configType } = log;
  const [first] = filters;
  const all: LogFilter =
    filters.length === 1 ? first! : { filterSpecifier: { case: 'andFilter', value: { filters: [...filters] } } };
  return create(AccessLogSchema, { name, configType, filter: all });
}

interface Written {
  readonly log: AccessLog;
  readonly expression: LogFilter | undefined;
}

/** Undefined if nobody names a provider of logs, which is not the same as turning one off. */
function fromProviders(proxy: ProxyView, telemetry: Telemetry, side: Side): Written[] | undefined {
  const { mesh, indexes } = proxy;
  const defaults = mesh.defaultProviders.accessLogging ?? [];
  if (telemetry.accessLogging.every((list) => list.length === 0) && defaults.length === 0) return undefined;
  const written: (Written & { readonly name: string })[] = [];
  let named = false;
  for (const [name, { disabled, filter: condition }] of mergeLogging(telemetry, defaults, side)) {
    const provider = providerNamed(mesh, name);
    const log = provider && accessLogOf(mesh, indexes.registry, provider);
    if (log === undefined) continue;
    named = true;
    if (disabled) continue;
    written.push({ name: provider!.name!, log, expression: expressionOf(condition) });
  }
  if (!named) return undefined;
  return written.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function expressionOf(condition: AccessLogging['filter']): LogFilter | undefined {
  if (condition === undefined) return undefined;
  return {
    filterSpecifier: {
      case: 'extensionFilter',
      value: filter('envoy.access_loggers.extension_filters.cel', ExpressionFilterSchema, {
        expression: condition.expression ?? '',
      }),
    },
  };
}

interface ProviderLogging {
  readonly disabled: boolean;
  readonly filter: AccessLogging['filter'];
}

/** What becomes of each provider when the levels are laid over each other: of the providers, the last level that names some counts. */
function mergeLogging(
  { accessLogging }: Telemetry,
  defaults: readonly string[],
  side: Side,
): ReadonlyMap<string, ProviderLogging> {
  const result = new Map<string, ProviderLogging>();
  if (accessLogging.every((list) => list.length === 0)) {
    for (const name of defaults) result.set(name, { disabled: false, filter: undefined });
    return result;
  }
  let inScope = new Set(defaults);
  const filters = new Map<string, AccessLogging['filter']>();
  for (const level of accessLogging) {
    const named = level.filter((item) => isForSide(item.match?.mode, side));
    const names = named.flatMap((item) => providerNames(item.providers));
    for (const item of named) for (const name of providerNames(item.providers)) filters.set(name, item.filter);
    if (names.length > 0) inScope = new Set(names);
  }
  let inherited: readonly string[] = defaults;
  for (const item of accessLogging.flat()) {
    const names = item.providers?.length ? providerNames(item.providers) : inherited;
    inherited = names;
    if (!isForSide(item.match?.mode, side)) continue;
    for (const name of names) {
      if (!inScope.has(name)) continue;
      const disabled = item.disabled === true;
      result.set(name, { disabled, filter: disabled ? undefined : filters.get(name) });
    }
  }
  return result;
}
