import type { TransportSocket } from '../api/gen/envoy/config/core/v3/base_pb.ts';
import type { Secret } from '../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { typeNameOf } from '../api/registry.ts';
import type { ClusterConfig } from './cluster/config.ts';
import type { ConfigErrors } from './config/errors.ts';
import type { WorkerContext } from './context.ts';
import type { DownstreamTransport, UpstreamTransport } from './tls/transport.ts';

const RAW_BUFFER = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';

/** Compiles transport sockets: plaintext and TLS. */
export class TransportSockets {
  constructor(_worker: WorkerContext, _secrets: readonly Secret[]) {}

  /** For a cluster; undefined is plaintext. */
  upstream(
    socket: TransportSocket | undefined,
    _config: ClusterConfig,
    errors: ConfigErrors,
  ): UpstreamTransport | undefined {
    if (isPlaintext(socket)) return undefined;
    return unsupported(socket!, errors);
  }

  /** For a filter chain; undefined is plaintext. */
  downstream(socket: TransportSocket | undefined, errors: ConfigErrors): DownstreamTransport | undefined {
    if (isPlaintext(socket)) return undefined;
    return unsupported(socket!, errors);
  }

  close(): void {}
}

/** Whether a transport socket is plaintext, which is also what none is. */
function isPlaintext(socket: TransportSocket | undefined): boolean {
  if (socket === undefined) return true;
  const any = socket.configType.value;
  return any === undefined
    ? socket.name === 'envoy.transport_sockets.raw_buffer'
    : typeNameOf(any.typeUrl) === RAW_BUFFER;
}

function unsupported(socket: TransportSocket, errors: ConfigErrors): undefined {
  errors.add('typed_config', `${socket.configType.value?.typeUrl ?? socket.name} is not supported`);
  return undefined;
}
