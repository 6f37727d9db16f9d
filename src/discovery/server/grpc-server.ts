import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { messageOf } from '../../base/errors.ts';
import { GrpcError } from '../../ca/service/grpc-error.ts';
import type { Authenticator } from '../../ca/tokens/authenticator.ts';
import { type DiscoveryCall, discoveryServices } from '../../xds/server/services.ts';
import { GrpcCode } from '../../xds/server/status.ts';
import type { StreamPeer } from './authentication.ts';
import type { DiscoveryService } from './discovery-service.ts';

export interface GrpcServerOptions {
  readonly discovery: DiscoveryService;
  /** Prove who opens a discovery stream; undefined on the plaintext port, where nobody can and all may. */
  readonly authenticators: readonly Authenticator[] | undefined;
  /** Certificates that the peer at an address presented when it connected. */
  readonly certificatesOf?: (peer: string) => readonly Uint8Array[] | undefined;
  /** Methods beside discovery, such as the certificate service. */
  readonly methods: readonly UnaryMethod[];
  readonly keepalive: Keepalive;
}

/** A method with one request and one response, encoded. */
export interface UnaryMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** Rejects with a GrpcError, or with anything else, which is an internal error. */
  readonly call: (request: Uint8Array, peer: StreamPeer) => Promise<Uint8Array>;
}

/** The `--keepalive...` flags, milliseconds. */
export interface Keepalive {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Beyond what a timer can count there is no limit, which is istiod's default. */
  readonly maxConnectionAgeMs: number;
}

/** What a request may be at most; istiod's `ISTIO_GPRC_MAXRECVMSGSIZE`. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
/** `ISTIO_GPRC_MAXSTREAMS`. */
const MAX_STREAMS = 100_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The gRPC services of the control plane, over sockets that somebody else accepts. */
export class DiscoveryGrpcServer {
  readonly #server: Server;
  readonly #injector;

  constructor(options: GrpcServerOptions) {
    const { keepalive, discovery, authenticators } = options;
    const peerOf = (call: DiscoveryCall | Unary): StreamPeer => {
      const [authorization] = call.metadata.get('authorization');
      const address = call.getPeer();
      return {
        address,
        authorization: typeof authorization === 'string' ? authorization : undefined,
        certificates: options.certificatesOf?.(address),
      };
    };
    this.#server = new Server({
      'grpc.keepalive_time_ms': Math.min(keepalive.intervalMs, LONGEST_TIMER_MS),
      'grpc.keepalive_timeout_ms': Math.min(keepalive.timeoutMs, LONGEST_TIMER_MS),
      ...(keepalive.maxConnectionAgeMs < LONGEST_TIMER_MS
        ? { 'grpc.max_connection_age_ms': keepalive.maxConnectionAgeMs }
        : {}),
      'grpc.max_concurrent_streams': MAX_STREAMS,
      'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
      'grpc.max_send_message_length': -1,
      'grpc.enable_channelz': 0,
    });
    const services = discoveryServices((call, method, send, end) =>
      discovery.open(peerOf(call), method, authenticators, send, end),
    );
    for (const { definition, implementation } of services) this.#server.addService(definition, implementation);
    for (const method of options.methods) this.#server.addService(...unaryService(method, peerOf));
    this.#server.addService(HEALTH, healthMethods);
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Serves a connection: a plain socket, or a TLS one whose handshake is done. */
  accept(socket: Socket | TLSSocket): void {
    this.#injector.injectConnection(socket);
  }

  /** Tells clients to go elsewhere, and gives calls under way this long. */
  drain(graceMs: number): void {
    this.#injector.drain(graceMs);
  }

  close(): void {
    this.#injector.destroy();
    this.#server.forceShutdown();
  }
}

type Unary = ServerUnaryCall<Uint8Array, Uint8Array>;

const raw = {
  requestStream: false,
  responseStream: false,
  requestSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
  responseDeserialize: (bytes: Buffer) => bytes,
};

function unaryService(
  method: UnaryMethod,
  peerOf: (call: Unary) => StreamPeer,
): [ServiceDefinition, UntypedServiceImplementation] {
  const handle = (call: Unary, callback: sendUnaryData<Uint8Array>) => {
    method.call(call.request, peerOf(call)).then(
      (response) => callback(null, response),
      (error) => callback({ code: codeOf(error), details: messageOf(error) }),
    );
  };
  return [{ method: { path: method.path, ...raw } }, { method: handle }];
}

function codeOf(error: unknown): number {
  return error instanceof GrpcError ? error.code : GrpcCode.Internal;
}

/** grpc.health.v1.Health, for those who ask whether the port serves. */
const HEALTH: ServiceDefinition = {
  Check: { path: '/grpc.health.v1.Health/Check', ...raw },
};
/** HealthCheckResponse { status: SERVING }. */
const SERVING = new Uint8Array([0x08, 0x01]);
const healthMethods: UntypedServiceImplementation = {
  Check: (_: Unary, callback: sendUnaryData<Uint8Array>) => callback(null, SERVING),
};
