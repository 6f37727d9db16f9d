import net from 'node:net';
import { codeOf, messageOf } from '../../base/errors.ts';
import type { AddressMap } from '../net/address-map.ts';
import { formatAddress, type SocketAddress } from '../net/connection.ts';
import { filterConnection } from '../net/filtered-connection.ts';
import type { UpstreamFilterFactory } from '../net/network-filter.ts';
import { pipePath } from '../net/pipe.ts';
import { type NetContext, SocketConnection } from '../net/socket-connection.ts';
import {
  BindError,
  type ForeignSource,
  foreignSocket,
  preparedSocket,
  type SocketOption,
  SocketOptionError,
} from '../net/socket-options.ts';
import type { Timer } from '../timers.ts';
import type { Handshake, UpstreamTlsOverride, UpstreamTransport } from '../tls/transport.ts';
import { type Binding, type Source, sourceFor } from './bind.ts';
import type { Cancelable } from './cluster.ts';
import type { ConnectHandler } from './connect-handler.ts';
import { HappyEyeballs } from './happy-eyeballs.ts';
import { keepAlive, type TcpKeepalive } from './tcp-keepalive.ts';
import type { ConnectionAddresses, Preamble } from './upstream-socket.ts';

export interface ConnectOptions {
  /** At least one; the others are tried when the first does not answer soon. */
  readonly addresses: readonly SocketAddress[];
  readonly timeoutMs: number;
  readonly bufferLimit: number;
  /** Undefined for plaintext. */
  readonly transport: UpstreamTransport | undefined;
  readonly preamble: Preamble | undefined;
  /** Another machine's address to connect from; undefined for this one's. */
  readonly source: ForeignSource | undefined;
  /** Addresses of the connection that this one stands for, for the preamble. */
  readonly downstream: ConnectionAddresses | undefined;
  readonly tls: UpstreamTlsOverride;
  readonly keepalive: TcpKeepalive | undefined;
  readonly binding: Binding | undefined;
  readonly counters: { bind_errors: number };
  /** Filters of the connection once it is established. */
  readonly filters: readonly UpstreamFilterFactory[];
}

export type ConnectContext = NetContext & { readonly addresses: AddressMap };

/** Connects, TLS included, within the time limit. The handler is called once, never from within this call. */
export function connectUpstream(context: ConnectContext, options: ConnectOptions, handler: ConnectHandler): Cancelable {
  const { addresses, timeoutMs } = options;
  if (addresses.length === 1) return new Attempt(context, options, addresses[0], timeoutMs, handler);
  const connect = (address: SocketAddress, one: ConnectHandler) =>
    new Attempt(context, options, address, Number.POSITIVE_INFINITY, one);
  return new HappyEyeballs(addresses, timeoutMs, context.timers, connect, handler);
}

class Attempt implements Cancelable {
  readonly #context: NetContext;
  readonly #options: ConnectOptions;
  readonly #address: SocketAddress;
  readonly #handler: ConnectHandler;
  readonly #socket: net.Socket;
  readonly #timer: Timer | undefined;
  /** Where it is made from, if that is not left to the system. */
  readonly #source: SocketAddress | undefined;
  #handshake: Handshake | undefined = undefined;
  #over = false;

  constructor(
    context: ConnectContext,
    options: ConnectOptions,
    address: SocketAddress,
    timeoutMs: number,
    handler: ConnectHandler,
  ) {
    this.#context = context;
    this.#options = options;
    this.#address = address;
    this.#handler = handler;
    const to = context.addresses.connect(address);
    const foreign = options.source?.address.family === to.family ? options.source : undefined;
    const source = sourceFor(options.binding, address);
    this.#source = foreign?.address ?? this.#from(context, source);
    this.#socket = this.#connect(to, foreign, source?.options ?? []);
    if (options.keepalive && to.family !== 0) keepAlive(this.#socket, options.keepalive);
    this.#socket.once('connect', () => this.#event(() => this.#onTcpConnected()));
    this.#socket.on('error', this.#onError);
    if (timeoutMs < Number.POSITIVE_INFINITY) {
      this.#timer = context.timers.start(timeoutMs, () => this.#fail('', true));
    }
  }

  #connect(to: SocketAddress, foreign: ForeignSource | undefined, options: readonly SocketOption[]): net.Socket {
    const from = this.#source;
    if (foreign !== undefined) return connectBy(() => foreignSocket(foreign, options), to);
    if (options.length > 0 && to.family !== 0) {
      const { family } = to;
      return connectBy(() => preparedSocket({ family, options, address: from }), to);
    }
    return net.connect(
      to.family === 0
        ? { path: pipePath(to.address), allowHalfOpen: true }
        : {
            host: to.address,
            port: to.port,
            family: to.family,
            localAddress: from?.address,
            ...(from !== undefined && from.port > 0 && { localPort: from.port }),
            allowHalfOpen: true,
            noDelay: true,
          },
    );
  }

  #from(context: ConnectContext, source: Source | undefined): SocketAddress | undefined {
    if (source?.address !== undefined) return source.address;
    const address = context.addresses.source(this.#address);
    return address === undefined ? undefined : { address, port: 0, family: this.#address.family };
  }

  readonly #onError = (error: Error): void => {
    const isBinding = (error as NodeJS.ErrnoException).syscall === 'bind' || error instanceof BindError;
    if (isBinding) this.#options.counters.bind_errors++;
    const isLocal = isBinding || error instanceof SocketOptionError;
    this.#event(() =>
      this.#fail(isLocal ? localFailure(error, this.#source) : transportFailure(error), false, isLocal),
    );
  };

  #event(work: () => void): void {
    const { flushQueue, timers } = this.#context;
    flushQueue.enter();
    timers.newEvent();
    try {
      work();
    } catch (error) {
      this.#end();
      flushQueue.fault(error);
    } finally {
      flushQueue.leave();
    }
  }

  #onTcpConnected(): void {
    if (this.#over) return;
    const { transport, tls, preamble, downstream } = this.#options;
    if (preamble !== undefined) this.#socket.write(preamble(this.#addresses(), downstream));
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

  #addresses(): ConnectionAddresses {
    const { localAddress = '', localPort = 0 } = this.#socket;
    const local: SocketAddress = { address: localAddress, port: localPort, family: this.#address.family };
    return { local, remote: this.#address };
  }

  #succeed(socket: net.Socket, tls: SocketConnection['tls']): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#socket.removeListener('error', this.#onError);
    this.#socket.on('error', () => {});
    const { bufferLimit } = this.#options;
    const connection = new SocketConnection(socket, this.#context, { bufferLimit }, this.#addresses(), tls);
    this.#handler.onConnected(filterConnection(connection, this.#options.filters));
  }

  #fail(details: string, timeout: boolean, local = false): void {
    if (this.#over) return;
    this.#end();
    this.#handler.onFailed(details, timeout, local);
  }

  #end(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#handshake?.cancel();
    this.#socket.destroy();
  }

  cancel(): void {
    if (!this.#over) this.#end();
  }
}

/** Connects a socket of our own making. What cannot be is an error of the socket, which comes later. */
function connectBy(make: () => net.Socket, { address, port }: SocketAddress): net.Socket {
  try {
    const socket = make();
    socket.setNoDelay(true);
    return socket.connect({ host: address, port });
  } catch (error) {
    return new net.Socket().destroy(error as Error);
  }
}

/** Envoy's words for a socket that was not to be had; it has none for an option. */
function localFailure(error: Error, source: SocketAddress | undefined): string {
  if (error instanceof SocketOptionError || source === undefined) return '';
  return `failed to bind to ${formatAddress(source)}: ${error instanceof BindError ? error.message : kernelText(error)}`;
}

function kernelText(error: Error): string {
  switch (codeOf(error)) {
    case 'EADDRNOTAVAIL':
      return 'Cannot assign requested address';
    case 'EADDRINUSE':
      return 'Address already in use';
    case 'EACCES':
      return 'Permission denied';
    default:
      return messageOf(error);
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
