import type net from 'node:net';
import type { ClientHello } from '../../wire/clienthello/clienthello.ts';
import type { ProxyAddress } from '../../wire/proxy-protocol/header.ts';
import { ipFamily } from '../config/values.ts';
import { PROXY_PROTOCOL_TLVS } from '../observe/filter-state.ts';
import { ResponseFlag } from '../observe/response-flags.ts';
import { StreamInfo } from '../observe/stream-info.ts';
import type { Timer } from '../timers.ts';
import type { Handshake, TlsFailure } from '../tls/transport.ts';
import type { AcceptingListener } from './accepting-listener.ts';
import type { SocketAddress, TlsInfo } from './connection.ts';
import { type Findings, Inspector } from './inspect.ts';
import type { FilterChain } from './listener-config.ts';
import { runFilterChain } from './network-filter-chain.ts';
import { originalDestination } from './original-destination.ts';
import type { ProxyFindings } from './proxy-protocol.ts';
import { SocketConnection } from './socket-connection.ts';

const NOTHING_FOUND: Findings = { skip: 0, proxy: undefined, hello: undefined, httpProtocol: undefined };

/**
 * An accepted socket until it has become a connection of a filter chain: original destination, listener filters, choice
 * of the chain, TLS handshake, in this order and each within its time limit.
 */
export class IncomingConnection {
  #listener: AcceptingListener;
  readonly #socket: net.Socket;
  readonly #local: SocketAddress;
  readonly #peer: SocketAddress;
  #original: SocketAddress | undefined = undefined;
  #timer: Timer | undefined = undefined;
  #handshake: Handshake | undefined = undefined;
  #over = false;
  #inspecting = false;
  #proxy: ProxyFindings | undefined = undefined;

  constructor(listener: AcceptingListener, socket: net.Socket) {
    this.#listener = listener;
    this.#socket = socket;
    this.#local = listener.worker.addresses.accepted(addressOf(socket.localAddress, socket.localPort));
    this.#peer = addressOf(socket.remoteAddress, socket.remotePort);
  }

  readonly #onError = (): void =>
    this.#event(() => {
      if (this.#inspecting) this.#listener.stats.downstream_listener_filter_error++;
      this.#drop();
    });

  #event(work: () => void): void {
    const { flushQueue, timers } = this.#listener.worker;
    flushQueue.enter();
    timers.newEvent();
    try {
      work();
    } catch (error) {
      this.#drop(true);
      flushQueue.fault(error);
    } finally {
      flushQueue.leave();
    }
  }

  start(): void {
    this.#socket.on('error', this.#onError);
    // The peer was gone before we came to it.
    if (this.#socket.remoteAddress === undefined && this.#local.family !== 0) {
      this.#drop();
      return;
    }
    const { config } = this.#listener;
    if (config.filters.originalDst || config.useOriginalDst) this.#original = originalDestination(this.#socket);
    if (config.useOriginalDst && this.#original !== undefined) {
      const owner = this.#listener.lookup.byAddress(this.#original);
      if (owner !== undefined) this.#listener = owner;
    }
    this.#inspect();
  }

  get #destination(): SocketAddress {
    return this.#original ?? this.#local;
  }

  #inspect(): void {
    const { config, stats, worker } = this.#listener;
    const { port } = this.#destination;
    const tls = config.filters.tls(port) || config.terminatesTls;
    const wanted = { proxyProtocol: config.filters.proxyProtocol, tls, http: config.filters.http(port) };
    if (!wanted.tls && !wanted.http && wanted.proxyProtocol === undefined) {
      this.#choose(NOTHING_FOUND, EMPTY);
      return;
    }
    stats.downstream_pre_cx_active++;
    this.#inspecting = true;
    const inspector = new Inspector(wanted);
    let bytes: Buffer = EMPTY;
    const finish = (findings: Findings) => {
      this.#inspected();
      this.#timer?.cancel();
      this.#socket.removeListener('data', onData);
      this.#socket.removeListener('end', onEnd);
      this.#socket.pause();
      const rest = bytes.subarray(findings.skip);
      if (rest.length > 0) this.#socket.unshift(rest);
      this.#choose(findings, rest);
    };
    const onData = (chunk: Buffer) =>
      this.#event(() => {
        if (this.#over) return;
        bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
        const result = inspector.receive(chunk);
        if (result.kind === 'done') finish(result.findings);
        else if (result.kind === 'error') {
          this.#tellRefusal(this.#peer, () => result.reason);
          this.#logFailure(this.#destination, this.#peer, undefined, '', 0, '');
          this.#drop();
        }
      });
    const onEnd = () =>
      this.#event(() => {
        if (this.#over) return;
        if (bytes.length > 0) {
          // A client that says little and half-closes is served with what it said.
          finish(inspector.giveUp);
          return;
        }
        stats.downstream_listener_filter_remote_close++;
        this.#drop();
      });
    if (config.filtersTimeoutMs > 0) {
      this.#timer = worker.timers.start(config.filtersTimeoutMs, () => {
        stats.downstream_pre_cx_timeout++;
        if (config.continueOnTimeout) finish(inspector.giveUp);
        else this.#drop();
      });
    }
    this.#socket.on('data', onData);
    this.#socket.on('end', onEnd);
    this.#socket.resume();
  }

  #inspected(): void {
    if (!this.#inspecting) return;
    this.#inspecting = false;
    this.#listener.stats.downstream_pre_cx_active--;
  }

  /** `start` is what was read and not consumed. */
  #choose(findings: Findings, start: Uint8Array): void {
    const { config, stats, worker } = this.#listener;
    this.#proxy = findings.proxy;
    const told = findings.proxy?.header?.addresses;
    const source: SocketAddress = told ? toldAddress(told.source) : this.#peer;
    const destination: SocketAddress = told ? toldAddress(told.destination) : this.#destination;
    const { hello } = findings;
    // Without an inspector Envoy does not know at this point what we have read ahead for the handshake.
    const seen = config.filters.tls(this.#destination.port) ? hello : undefined;
    const chain =
      config.matcher.find({
        destinationAddress: destination.address,
        destinationPort: destination.port,
        serverName: seen?.sni ?? '',
        transportProtocol: seen ? 'tls' : 'raw_buffer',
        applicationProtocols: seen ? seen.alpn : findings.httpProtocol ? [findings.httpProtocol] : NONE,
        directSourceAddress: this.#peer.address,
        sourceAddress: source.address,
        sourcePort: source.port,
      }) ?? config.defaultChain;
    if (chain === undefined) {
      stats.no_filter_chain_match++;
      this.#tellRefusal(source, () => `no filter chain of ${this.#listener.name} is for ${describe(seen)}`);
      this.#logFailure(destination, source, seen, 'filter_chain_not_found', ResponseFlag.NoRouteFound, '');
      // With what it has sent unread, as the kernel does it to Envoy's sockets.
      this.#drop(start.length > 0);
      return;
    }
    if (chain.transport === undefined) {
      this.#establish(chain, this.#socket, undefined, destination, source, seen);
      return;
    }
    if (hello === undefined) {
      // Plaintext where TLS is spoken. No byte of it goes anywhere.
      this.#tellRefusal(source, () => `it is plain text, where ${this.#listener.name} speaks TLS`);
      const reason = chain.transport.refusePlaintext(this.#socket, start, config.filters.tls(destination.port));
      this.#logFailure(destination, source, seen, '', 0, reason, chain.name);
      this.#drop();
      return;
    }
    if (chain.transportTimeoutMs > 0) {
      this.#timer = worker.timers.start(chain.transportTimeoutMs, () => {
        stats.downstream_cx_transport_socket_connect_timeout++;
        this.#handshake?.cancel();
        this.#drop();
      });
    }
    this.#handshake = chain.transport.accept(this.#socket, hello, (outcome) =>
      this.#event(() => {
        if (this.#over) return;
        this.#timer?.cancel();
        if ('failure' in outcome) this.#handshakeFailed(outcome.failure, chain, destination, source, seen);
        else this.#establish(chain, outcome.socket, outcome.info, destination, source, seen);
      }),
    );
  }

  #handshakeFailed(
    failure: TlsFailure,
    chain: FilterChain,
    destination: SocketAddress,
    source: SocketAddress,
    hello: ClientHello | undefined,
  ): void {
    const { worker, refusals } = this.#listener;
    const tell = () => `TLS handshake with ${source.address}:${source.port} failed: ${failure.explanation}`;
    // Of a secret that is missing the mesh tells elsewhere, and who just goes away was not refused.
    if (failure.secretsMissing || failure.reason === '') worker.log.debug(tell());
    else refusals.refused(tell, worker.timers.now());
    this.#logFailure(destination, source, hello, '', 0, failure.reason, chain.name);
    this.#over = true;
  }

  /** A connection that never became one has an access log of its own: the listener's. */
  #logFailure(
    destination: SocketAddress,
    source: SocketAddress,
    hello: ClientHello | undefined,
    details: string,
    flags: number,
    transportFailure: string,
    filterChainName = '',
  ): void {
    const { config, worker } = this.#listener;
    if (config.accessLogs.length === 0) return;
    const connection = this.#connection(this.#socket, undefined, destination, source, hello);
    connection.filterChainName = filterChainName;
    const info = new StreamInfo(connection, worker.timers.now(), worker.timers.wallClock());
    info.responseCodeDetails = details;
    info.flags = flags;
    info.downstreamTransportFailure = transportFailure;
    info.end = worker.timers.now();
    for (const log of config.accessLogs) log.log(info);
  }

  #connection(
    socket: net.Socket,
    tls: TlsInfo | undefined,
    destination: SocketAddress,
    source: SocketAddress,
    hello: ClientHello | undefined,
  ): SocketConnection {
    const { config, worker } = this.#listener;
    const connection = new SocketConnection(
      socket,
      worker,
      { bufferLimit: config.bufferLimit },
      { local: destination, remote: this.#peer },
      tls,
    );
    connection.remote = source;
    if (this.#proxy !== undefined && this.#proxy.passed.length > 0) {
      connection.filterState = new Map([[PROXY_PROTOCOL_TLVS, this.#proxy.passed]]);
    }
    connection.originalDestination = this.#original ?? (config.filters.originalDst ? this.#local : undefined);
    connection.requestedServerName = hello?.sni ?? '';
    return connection;
  }

  #establish(
    chain: FilterChain,
    socket: net.Socket,
    tls: TlsInfo | undefined,
    destination: SocketAddress,
    source: SocketAddress,
    hello: ClientHello | undefined,
  ): void {
    this.#over = true;
    const listener = this.#listener;
    if (socket === this.#socket) socket.removeListener('error', this.#onError);
    const connection = this.#connection(socket, tls, destination, source, hello);
    connection.filterChainName = chain.name;
    listener.track(chain, connection);
    const onClosed = (info: StreamInfo) => {
      listener.untrack(chain, connection, info.end - info.start);
      for (const log of listener.config.accessLogs) log.log(info);
    };
    const { worker, clusters } = listener;
    runFilterChain(connection, chain.filters, worker, clusters, onClosed, this.#proxy?.metadata);
  }

  #tellRefusal(source: SocketAddress, why: () => string): void {
    const { worker, refusals } = this.#listener;
    refusals.refused(() => `connection of ${source.address}:${source.port} refused: ${why()}`, worker.timers.now());
  }

  #drop(reset = false): void {
    if (this.#over) return;
    this.#over = true;
    this.#inspected();
    this.#timer?.cancel();
    this.#handshake?.cancel();
    if (reset) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }
}

const EMPTY = Buffer.alloc(0);
const NONE: readonly string[] = [];

/** What a client speaks, as far as filter chains ask. */
function describe(hello: ClientHello | undefined): string {
  if (hello === undefined) return 'plain text';
  const { sni, alpn } = hello;
  return `TLS ${sni === '' ? 'without a server name' : `with the server name ${sni}`}, ALPN ${alpn.slice(0, 10).join(',') || 'none'}`;
}

/** As the PROXY protocol tells it, whatever family it stands for. */
function toldAddress({ address, port }: ProxyAddress): SocketAddress {
  return { address, port, family: ipFamily(address) ?? 4 };
}

function addressOf(address: string | undefined, port: number | undefined): SocketAddress {
  if (address === undefined) return { address: '', port: 0, family: 0 };
  // A socket that listens for both families shows IPv4 peers in IPv6 form.
  const plain = address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
  return { address: plain, port: port ?? 0, family: ipFamily(plain) ?? 4 };
}
