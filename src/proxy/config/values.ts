import type { JsonObject } from '@bufbuild/protobuf';
import type { Duration, UInt32Value } from '@bufbuild/protobuf/wkt';
import type { Address } from '../../api/gen/envoy/config/core/v3/address_pb.ts';
import type { Metadata as ProtoMetadata } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import { ApiConfigSource_ApiType, type ConfigSource } from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import type { GrpcService_EnvoyGrpc } from '../../api/gen/envoy/config/core/v3/grpc_service_pb.ts';
import { canonicalIpv6 } from '../../base/cidr.ts';
import { type Metadata, NO_METADATA } from '../cluster/host.ts';
import type { ConfigSourceSpec, StreamBackoff } from '../context.ts';
import type { SocketAddress } from '../net/connection.ts';
import type { ConfigErrors } from './errors.ts';

/** Milliseconds of a Duration, or the default if it was not set. */
export function durationMs(duration: Duration | undefined, otherwise: number): number {
  return duration === undefined ? otherwise : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** The value of a wrapper, or the default. protobuf-es shows wrappers of singular fields as plain numbers. */
export function numberOr(value: number | UInt32Value | undefined, otherwise: number): number {
  if (value === undefined) return otherwise;
  return typeof value === 'number' ? value : value.value;
}

/** Reads an IP address and port; anything else is an error. Names are for the DNS clusters only. */
export function socketAddress(address: Address | undefined, errors: ConfigErrors): SocketAddress | undefined {
  if (address?.address.case === 'pipe') return { address: address.address.value.path, port: 0, family: 0 };
  if (address?.address.case !== 'socketAddress') {
    errors.add('address', 'a socket_address or pipe is needed');
    return undefined;
  }
  const socket = address.address.value;
  if (socket.portSpecifier.case === 'namedPort') {
    errors.add('address.socket_address.named_port', 'is not supported');
    return undefined;
  }
  const port = socket.portSpecifier.value ?? 0;
  const family = ipFamily(socket.address);
  if (family === undefined) {
    errors.add('address.socket_address.address', `${JSON.stringify(socket.address)} is not an IP address`);
    return undefined;
  }
  // Addresses are compared as they are written.
  const canonical = family === 6 ? canonicalIpv6(socket.address) : socket.address;
  return { address: canonical, port, family, ...(socket.ipv4Compat && { ipv4Compat: true }) };
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

/** 4, 6, or undefined for what is no IP address. */
export function ipFamily(text: string): 4 | 6 | undefined {
  if (IPV4.test(text)) return 4;
  return /^[0-9a-fA-F:]*:[0-9a-fA-F:.]*(%\w+)?$/.test(text) && text.includes(':') ? 6 : undefined;
}

export function metadataOf(metadata: ProtoMetadata | undefined): Metadata {
  if (metadata === undefined) return NO_METADATA;
  const entries = Object.entries(metadata.filterMetadata);
  return entries.length === 0 ? NO_METADATA : new Map(entries as [string, JsonObject][]);
}

/** Where resources come from, or an error. */
export function configSourceSpec(source: ConfigSource | undefined, errors: ConfigErrors): ConfigSourceSpec | undefined {
  const specifier = source?.configSourceSpecifier;
  const initialFetchTimeoutMs = durationMs(source?.initialFetchTimeout, 15_000);
  if (specifier?.case === 'ads' || specifier?.case === 'self') return { kind: 'ads', initialFetchTimeoutMs };
  if (specifier?.case === 'path') return { kind: 'path', path: specifier.value };
  if (specifier?.case === 'pathConfigSource') return { kind: 'path', path: specifier.value.path };
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

/** `retry_policy` of a stream of configuration: a longest delay that is not given is ten times the first. */
export function streamBackoff({ retryPolicy }: GrpcService_EnvoyGrpc): { readonly backoff?: StreamBackoff } {
  if (retryPolicy?.retryBackOff === undefined) return {};
  const { baseInterval, maxInterval } = retryPolicy.retryBackOff;
  const initialMs = durationMs(baseInterval, 500);
  return { backoff: { initialMs, maxMs: durationMs(maxInterval, 10 * initialMs) } };
}
