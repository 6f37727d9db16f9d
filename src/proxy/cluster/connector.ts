import net from 'node:net';
import { codeOf, messageOf } from '../../base/errors.ts';
import type { AddressMap } from '../net/address-map.ts';
import type { Connection, SocketAddress } from '../net/connection.ts';
import { filterConnection } from '../net/filtered-connection.ts';
import type { UpstreamFilterFactory } from '../net/network-filter.ts';
import { type NetContext, SocketConnection } from '../net/socket-connection.ts';
import type { Timer } from '../timers.ts';
import type { Handshake, UpstreamTlsOverride, UpstreamTransport } from '../tls/transport.ts';
import type { Cancelable } from './cluster.ts';

export interface ConnectOptions {
  readonly address: SocketAddress;
  readonly timeoutMs: number;
  readonly bufferLimit: number;
  /** Undefined for plaintext. */
  readonly transport: UpstreamTransport | undefined;
  readonly tls: UpstreamTlsOverride;
  readonly keepalive: { readonly initialDelayMs: number } | undefined;
  readonly sourceAddress: string | undefined;
  /** Filters of the connection once it is established. */
  readonly filters: readonly UpstreamFilterFactory[];
}

export interface ConnectHandler {
  onConnected(connection: Connection): void;
  /** `details` in the words of Envoy's transport failure reason; empty for a plain refusal or timeout of TCP. */
  onFailed(details: string, timeout: boolean): void;
}

/** Connects, TLS included, within the time limit. The handler is called once, never from within this call. */
export function connectUpstream(
  context: NetContext & { readonly addresses: AddressMap },
  options: ConnectOptions,
  handler: ConnectHandler,
): Cancelable {
  return new Attempt(context, options, handler);
}

class Attempt implements Cancelable {
  readonly #context: NetContext;
  readonly #options: ConnectOptions;
  readonly #handler: ConnectHandler;
  readonly #socket: net.Socket;
  readonly #timer: Timer;
  #handshake: Handshake | undefined = undefined;
  #over = false;

  constructor(
    context: NetContext & { readonly addresses: AddressMap },
    options: ConnectOptions,
    handler: ConnectHandler,
  ) {
    this.#context = context;
    this.#options = options;
    this.#handler = handler;
    const { keepalive } = options;
    const address = context.addresses.connect(options.address);
    const common = {
      noDelay: true,
      keepAlive: keepalive !== undefined,
      keepAliveInitialDelay: keepalive?.initialDelayMs,
    };
    this.#socket = net.connect(
      address.family === 0
        ? { path: address.address, allowHalfOpen: true }
        : {
            host: address.address,
            port: address.port,
            family: address.family,
            localAddress: options.sourceAddress ?? context.addresses.source(options.address),
            allowHalfOpen: true,
            ...common,
          },
    );
    this.#socket.once('connect', () => this.#event(() => this.#onTcpConnected()));
    this.#socket.on('error', this.#onError);
    this.#timer = context.timers.start(options.timeoutMs, () => this.#fail('', true));
  }

  readonly #onError = (error: Error): void => {
    this.#event(() => this.#fail(transportFailure(error), false));
  };

  #event(work: () => void): void {
    const { flushQueue, timers } = this.#context;
    flushQueue.enter();
    timers.newEvent();
    try {
      work();
    } finally {
      flushQueue.leave();
    }
  }

  #onTcpConnected(): void {
    if (this.#over) return;
    const { transport, tls } = this.#options;
    if (transport === undefined) {
      this.#succeed(this.#socket, undefined);
      return;
    }
    this.#handshake = transport.connect(this.#socket, tls, (outcome) =>
      this.#event(() => {
        if (this.#over) return;
        if ('failure' in outcome) this.#fail(outcome.failure.reason, false);
        else this.#succeed(outcome.socket, outcome.info);
      }),
    );
  }

  #succeed(socket: net.Socket, tls: SocketConnection['tls']): void {
    this.#over = true;
    this.#timer.cancel();
    this.#socket.removeListener('error', this.#onError);
    this.#socket.on('error', () => {});
    const raw = this.#socket;
    const local: SocketAddress = {
      address: raw.localAddress ?? '',
      port: raw.localPort ?? 0,
      family: this.#options.address.family,
    };
    const addresses = { local, remote: this.#options.address };
    const connection = new SocketConnection(
      socket,
      this.#context,
      { bufferLimit: this.#options.bufferLimit },
      addresses,
      tls,
    );
    this.#handler.onConnected(filterConnection(connection, this.#options.filters));
  }

  #fail(details: string, timeout: boolean): void {
    if (this.#over) return;
    this.#end();
    this.#handler.onFailed(details, timeout);
  }

  #end(): void {
    this.#over = true;
    this.#timer.cancel();
    this.#handshake?.cancel();
    this.#socket.destroy();
  }

  cancel(): void {
    if (!this.#over) this.#end();
  }
}

/** Envoy's words for what the kernel said when connecting failed. */
function transportFailure(error: Error): string {
  const code = codeOf(error);
  switch (code) {
    case 'ECONNREFUSED':
      return 'delayed connect error: Connection refused';
    case 'ECONNRESET':
      return 'delayed connect error: Connection reset by peer';
    case 'EHOSTUNREACH':
      return 'immediate connect error: No route to host';
    case 'ENETUNREACH':
      return 'immediate connect error: Network is unreachable';
    case 'EADDRNOTAVAIL':
      return 'immediate connect error: Cannot assign requested address';
    case 'ENOENT':
      return 'immediate connect error: No such file or directory';
    case 'EACCES':
      return 'immediate connect error: Permission denied';
    default:
      return `delayed connect error: ${messageOf(error)}`;
  }
}
