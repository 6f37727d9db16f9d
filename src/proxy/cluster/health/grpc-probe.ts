import { GrpcClientCall } from '../../../wire/grpc/client.ts';
import { GrpcCode, type GrpcStatus } from '../../../wire/grpc/transport.ts';
import { Headers } from '../../../wire/headers.ts';
import { StreamInfo } from '../../observe/stream-info.ts';
import type { Timers } from '../../timers.ts';
import type { Cancelable } from '../cluster.ts';
import { CheckConnection } from './check-connection.ts';
import type { GrpcCheckConfig } from './config.ts';
import { NETWORK_FAILURE, PASSED, type Probe, type ProbeContext, type ProbeResult } from './probe.ts';

const PATH = '/grpc.health.v1.Health/Check';
/** `HealthCheckResponse.ServingStatus.SERVING`. */
const SERVING = 1;

/** Calls `grpc.health.v1.Health/Check` (grpc/grpc `doc/health-checking.md`). */
export class GrpcProbe implements Probe {
  readonly #config: GrpcCheckConfig;
  readonly #context: ProbeContext;
  readonly #timers: Timers;
  #connecting: Cancelable | undefined = undefined;
  #connection: CheckConnection | undefined = undefined;
  #call: GrpcClientCall | undefined = undefined;

  constructor(config: GrpcCheckConfig, context: ProbeContext, timers: Timers) {
    this.#config = config;
    this.#context = context;
    this.#timers = timers;
  }

  start(done: (result: ProbeResult) => void): void {
    if (this.#connection?.usable) {
      this.#ask(this.#connection, done);
      return;
    }
    this.#connection?.close();
    this.#connecting = this.#context.connect({
      onConnected: (socket) => {
        this.#connecting = undefined;
        this.#connection = new CheckConnection(socket, true);
        this.#ask(this.#connection, done);
      },
      onFailed: () => {
        this.#connecting = undefined;
        done(NETWORK_FAILURE);
      },
    });
  }

  #ask(connection: CheckConnection, done: (result: ProbeResult) => void): void {
    const { host, clusterName, reuseConnection } = this.#context;
    const { authority, serviceName } = this.#config;
    let serving = false;
    const call = new GrpcClientCall(
      {
        path: PATH,
        authority: host.description.healthCheckHostname || authority || clusterName,
        scheme: connection.connection.tls === undefined ? 'http' : 'https',
        metadata: this.#metadata(connection),
        userAgent: 'Envoy/HC',
      },
      {
        onMessage: (bytes) => {
          serving = servingStatus(bytes) === SERVING;
        },
        onEnd: (status) => {
          this.#call = undefined;
          const passed = status.code === GrpcCode.Ok && serving;
          if (!reuseConnection || !connection.usable) connection.close();
          done(passed ? PASSED : failure(status));
        },
      },
    );
    this.#call = call;
    call.start((handler) => connection.open(handler));
    call.send(request(serviceName));
    call.end();
  }

  #metadata({ connection }: CheckConnection): [string, string][] {
    const { metadata } = this.#config;
    if (metadata === undefined) return [];
    const headers = new Headers();
    const info = new StreamInfo(connection, this.#timers.now(), this.#timers.wallClock());
    info.upstreamHost = this.#context.host;
    metadata(headers, info);
    return Array.from({ length: headers.size }, (_, i) => [headers.nameAt(i), headers.valueAt(i)]);
  }

  abort(): void {
    this.#connecting?.cancel();
    this.#connecting = undefined;
    this.#call?.cancel();
    this.#call = undefined;
    this.#connection?.close();
    this.#connection = undefined;
  }

  close(): void {
    this.abort();
  }
}

/** A stream that broke off is the network's failure; an answer that says no is the host's. */
function failure({ code }: GrpcStatus): ProbeResult {
  if (code === GrpcCode.Unavailable || code === GrpcCode.Internal) return NETWORK_FAILURE;
  return { kind: 'failed', retriable: false, status: 0, excluded: false };
}

/** `HealthCheckRequest{service}`: field 1, a string. */
function request(service: string): Buffer {
  const text = Buffer.from(service, 'utf8');
  if (text.length === 0) return text;
  const length = text.length < 128 ? [text.length] : [(text.length & 127) | 128, text.length >> 7];
  return Buffer.concat([Buffer.from([0x0a, ...length]), text]);
}

/** `HealthCheckResponse.status`: field 1, an enum; 0 (UNKNOWN) if it is not there. */
function servingStatus(bytes: Uint8Array): number {
  return bytes.length >= 2 && bytes[0] === 0x08 ? bytes[1] : 0;
}
