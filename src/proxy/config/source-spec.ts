import fs from 'node:fs';
import { ApiConfigSource_ApiType, type ConfigSource } from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import type { GrpcService_EnvoyGrpc } from '../../api/gen/envoy/config/core/v3/grpc_service_pb.ts';
import type { ConfigErrors } from './errors.ts';
import { durationMs } from './values.ts';

/** How long a stream that ended stays closed: a delay that doubles from the first to the longest, milliseconds. */
export interface StreamBackoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** The cases of `envoy.config.core.v3.ConfigSource` that a proxy meets. */
export type ConfigSourceSpec =
  /** The time is Envoy's 15 s unless told. */
  | { readonly kind: 'ads'; readonly initialFetchTimeoutMs?: number }
  | {
      readonly kind: 'grpc';
      readonly clusterName: string;
      readonly delta: boolean;
      readonly initialFetchTimeoutMs: number;
      /** Milliseconds before a stream that ended is opened again; Envoy's 500 to 30,000 unless told. */
      readonly backoff?: StreamBackoff;
    }
  /** A file with a discovery response; it is read again when it is replaced, or when something in the folder is. */
  | { readonly kind: 'path'; readonly path: string; readonly watchedDirectory?: string };

/** Where resources come from, or an error. */
export function configSourceSpec(source: ConfigSource | undefined, errors: ConfigErrors): ConfigSourceSpec | undefined {
  const specifier = source?.configSourceSpecifier;
  const initialFetchTimeoutMs = durationMs(source?.initialFetchTimeout, 15_000);
  if (specifier?.case === 'ads' || specifier?.case === 'self') return { kind: 'ads', initialFetchTimeoutMs };
  if (specifier?.case === 'path') return fileSpec(specifier.value, undefined, errors);
  if (specifier?.case === 'pathConfigSource') {
    const { path, watchedDirectory } = specifier.value;
    return fileSpec(path, watchedDirectory?.path, errors.at('path_config_source'));
  }
  if (specifier?.case === 'apiConfigSource') {
    const { apiType, grpcServices } = specifier.value;
    const target = grpcServices[0]?.targetSpecifier;
    const delta = apiType === ApiConfigSource_ApiType.DELTA_GRPC;
    if (target?.case === 'envoyGrpc' && (delta || apiType === ApiConfigSource_ApiType.GRPC)) {
      const { clusterName } = target.value;
      return { kind: 'grpc', clusterName, delta, initialFetchTimeoutMs, ...streamBackoff(target.value) };
    }
    errors.add('api_config_source', 'only GRPC and DELTA_GRPC over envoy_grpc are supported');
    return undefined;
  }
  errors.add('', 'a config source is needed');
  return undefined;
}

/** A file that is not there is an error at once, as Envoy has it: nobody waits for it. */
function fileSpec(
  path: string,
  watchedDirectory: string | undefined,
  errors: ConfigErrors,
): ConfigSourceSpec | undefined {
  if (fs.existsSync(path)) return { kind: 'path', path, ...(watchedDirectory !== undefined && { watchedDirectory }) };
  errors.add('path', `must be an existing file: there is no ${JSON.stringify(path)}`);
  return undefined;
}

/** `retry_policy` of a stream of configuration: a longest delay that is not given is ten times the first. */
export function streamBackoff({ retryPolicy }: GrpcService_EnvoyGrpc): { readonly backoff?: StreamBackoff } {
  if (retryPolicy?.retryBackOff === undefined) return {};
  const { baseInterval, maxInterval } = retryPolicy.retryBackOff;
  const initialMs = durationMs(baseInterval, 500);
  return { backoff: { initialMs, maxMs: durationMs(maxInterval, 10 * initialMs) } };
}
