import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { TransportSocket } from '../api/gen/envoy/config/core/v3/base_pb.ts';
import type { ProxyProtocolUpstreamTransport } from '../api/gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts';
import type { Secret } from '../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import {
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from '../api/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts';
import { schemaOf, typeNameOf } from '../api/registry.ts';
import { messageOf } from '../base/errors.ts';
import type { ClusterConfig } from './cluster/config.ts';
import { SUPPORTED as PROXY_PROTOCOL_SUPPORTED, proxyProtocol } from './cluster/proxy-protocol.ts';
import { PLAINTEXT, type UpstreamSocket } from './cluster/upstream-socket.ts';
import type { ConfigErrors } from './config/errors.ts';
import { checkSupported } from './config/supported.ts';
import type { WorkerContext } from './context.ts';
import type { StatsStore } from './observe/stats.ts';
import { downstreamTransport } from './tls/downstream.ts';
import { SecretManager } from './tls/secrets.ts';
import { newTransportStats, type TransportStats } from './tls/stats.ts';
import type { DownstreamTransport } from './tls/transport.ts';
import { upstreamTransport } from './tls/upstream.ts';

const PROXY_PROTOCOL = 'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport';
const RAW_BUFFER = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';

/** Compiles transport sockets: plaintext and TLS. */
export class TransportSockets {
  readonly secrets: SecretManager;
  readonly #stats: SharedStats;

  constructor(worker: WorkerContext, secrets: readonly Secret[], errors: ConfigErrors) {
    this.secrets = new SecretManager({ context: worker });
    this.#stats = new SharedStats(worker.stats);
    secrets.forEach((secret, i) => this.secrets.addStatic(secret, errors.at(i)));
  }

  /** For a cluster. */
  upstream(socket: TransportSocket | undefined, config: ClusterConfig, errors: ConfigErrors): UpstreamSocket {
    const wrapper = proxyProtocolOf(socket, errors);
    if (wrapper !== undefined) {
      const at = errors.at('typed_config');
      const preamble = proxyProtocol(wrapper, at);
      return { ...this.upstream(wrapper.transportSocket, config, at.at('transport_socket')), preamble };
    }
    const proto = contextOf(socket, UpstreamTlsContextSchema, errors);
    if (proto === undefined) return PLAINTEXT;
    const stats = this.#stats.acquire(`cluster.${config.statName}.`, 'client_ssl_socket_factory.');
    const transport = upstreamTransport(proto, this.secrets, stats, errors.at('typed_config'));
    if (transport === undefined) stats.release();
    return { transport, preamble: undefined };
  }

  /** For a filter chain of the listener whose statistics have this prefix; undefined is plaintext. */
  downstream(
    socket: TransportSocket | undefined,
    statPrefix: string,
    errors: ConfigErrors,
  ): DownstreamTransport | undefined {
    const proto = contextOf(socket, DownstreamTlsContextSchema, errors);
    if (proto === undefined) return undefined;
    const stats = this.#stats.acquire(statPrefix, 'server_ssl_socket_factory.');
    const transport = downstreamTransport(proto, this.secrets, stats, errors.at('typed_config'));
    if (transport === undefined) stats.release();
    return transport;
  }

  close(): void {
    this.secrets.close();
  }
}

/** The TLS context of a transport socket; undefined if it is plaintext, or refused. */
function contextOf<Schema extends DescMessage>(
  socket: TransportSocket | undefined,
  schema: Schema,
  errors: ConfigErrors,
): MessageShape<Schema> | undefined {
  if (socket === undefined) return undefined;
  const any = socket.configType.value;
  const type = any && typeNameOf(any.typeUrl);
  if (type === RAW_BUFFER || (any === undefined && socket.name === 'envoy.transport_sockets.raw_buffer')) {
    return undefined;
  }
  if (any === undefined || type !== schema.typeName) {
    errors.add('typed_config', `${any?.typeUrl || socket.name} is not supported here`);
    return undefined;
  }
  try {
    return fromBinary(schema, any.value);
  } catch (error) {
    errors.add('typed_config', `is not a ${schema.typeName}: ${messageOf(error)}`);
    return undefined;
  }
}

/** The PROXY protocol's transport socket, which wraps another one; undefined if it is something else. */
function proxyProtocolOf(
  socket: TransportSocket | undefined,
  errors: ConfigErrors,
): ProxyProtocolUpstreamTransport | undefined {
  const any = socket?.configType.value;
  if (any === undefined || typeNameOf(any.typeUrl) !== PROXY_PROTOCOL) return undefined;
  const schema = schemaOf(PROXY_PROTOCOL)!;
  const proto = fromBinary(schema, any.value) as ProxyProtocolUpstreamTransport;
  checkSupported(schema, proto, PROXY_PROTOCOL_SUPPORTED, errors.at('typed_config'));
  return proto;
}

interface Shared {
  readonly stats: Omit<TransportStats, 'release'>;
  readonly hide: () => void;
  users: number;
}

/** Statistics of TLS are one set for all filter chains of a listener, and for all transport sockets of a cluster. */
class SharedStats {
  readonly #store: StatsStore;
  readonly #byPrefix = new Map<string, Shared>();

  constructor(store: StatsStore) {
    this.#store = store;
  }

  acquire(prefix: string, factory: string): TransportStats {
    let shared = this.#byPrefix.get(prefix);
    if (shared === undefined) {
      const stats = newTransportStats();
      const hidden = [
        this.#store.add(`${prefix}ssl.`, stats.ssl),
        this.#store.add(`${prefix}${factory}`, stats.factory),
      ];
      shared = { stats, users: 0, hide: () => hidden.forEach((hide) => hide()) };
      this.#byPrefix.set(prefix, shared);
    }
    shared.users++;
    return { ...shared.stats, release: this.#releaser(prefix, shared) };
  }

  #releaser(prefix: string, shared: Shared): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      if (--shared.users > 0) return;
      this.#byPrefix.delete(prefix);
      shared.hide();
    };
  }
}
