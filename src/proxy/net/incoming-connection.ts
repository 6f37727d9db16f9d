import type net from 'node:net';
import type { ClientHello } from '../../wire/clienthello/clienthello.ts';
import type { ProxyAddress } from '../../wire/proxy-protocol/header.ts';
import { ipFamily } from '../config/values.ts';
import { ORIGINAL_SOURCE, PROXY_PROTOCOL_TLVS } from '../observe/filter-state.ts';
import { ResponseFlag } from '../observe/response-flags.ts';
import { StreamInfo } from '../observe/stream-info.ts';
import type { Timer } from '../timers.ts';
import type { DownstreamTransport, Handshake, TlsFailure } from '../tls/transport.ts';
import type { AcceptingListener } from './accepting-listener.ts';
import type { SocketAddress, TlsInfo } from './connection.ts';
import { type Findings, type InspectionResult, Inspector } from './inspect.ts';
import type { FilterChain } from './listener-config.ts';
import type { ListenerFilterEffects } from './listener-filters.ts';
import { runFilterChain } from './network-filter-chain.ts';
import { originalDestination } from './original-destination.ts';
import type { ProxyFindings } from './proxy-protocol.ts';
import { SocketConnection } from './socket-connection.ts';
import type { ForeignSource } from './socket-options.ts';

/** What of a connection decides about its filter chain, and what the account of it tells. */
interface Incoming {
  readonly destination: SocketAddress;
  readonly source: SocketAddress;
  /** As a TLS inspector saw it. */
  readonly hello: ClientHello | undefined;
}

const HELLO_ONLY = { proxyProtocol: undefined, tls: true, http: false };
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
  /** Of the listener filters, when it came. */
  #effects: ListenerFilterEffects = {};
  #timer: Timer | undefined = undefined;
  #handshake: Handshake | undefined = undefined;
  #over = false;
  #inspecting = false;
  #openedAt = 0;
  #choice: { readonly chain: FilterChain; readonly incoming: Incoming } | undefined = undefined;
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
      this.#giveUp();
    });

  /** Ends it wherever it has come to, and tells the logs. */
  #giveUp(): void {
    if (this.#over) return;
    if (this.#choice !== undefined)
      this.#fail(this.#choice.chain, this.#account(this.#choice.incoming, this.#choice.chain));
    else if (this.#inspecting) this.#dropUnchosen();
    else this.#drop();
  }

  #event(work: () => void): void {
    const { flushQueue, timers } = this.#listener.worker;
    flushQueue.enter();
    timers.newEvent();
    try {
      work();
    } catch (error) {
      this.#giveUp();
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
    const asked = config.filters.effects?.originalDst?.(this.#local.port);
    if (asked || config.useOriginalDst) this.#original = originalDestination(this.#socket);
    // Captured by TPROXY it has the address that its client wanted.
    if (config.transparent) this.#original ??= this.#local;
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
    const { config, stats } = this.#listener;
    const { port } = this.#destination;
    const { effects } = config.filters;
    if (effects === undefined) {
      stats.extension_config_missing++;
      this.#dropUnchosen();
      return;
    }
    this.#effects = effects;
    const proxyProtocol = effects.proxyProtocol?.applies(port) ? effects.proxyProtocol.filter : undefined;
    const wanted = { proxyProtocol, tls: effects.tls?.(port) ?? false, http: effects.http?.(port) ?? false };
    if (!wanted.tls && !wanted.http && wanted.proxyProtocol === undefined) {
      this.#choose(NOTHING_FOUND, EMPTY);
      return;
    }
    stats.downstream_pre_cx_active++;
    this.#inspecting = true;
    const inspector = new Inspector(wanted);
    const look = this.#look(inspector, (result, rest) => {
      if (result.kind === 'done') this.#inspected(result.findings, rest);
      else if (result.kind === 'error') {
        this.#tellRefusal(this.#peer, () => result.reason);
        this.#dropUnchosen(rest.length > 0);
      } else if (rest.length > 0) {
        // A client that says little and half-closes is served with what it said.
        this.#inspected(inspector.giveUp, rest);
      } else {
        stats.downstream_listener_filter_remote_close++;
        this.#dropUnchosen();
      }
    });
    this.#startTimer(config.filtersTimeoutMs, () => {
      stats.downstream_pre_cx_timeout++;
      const rest = look.stop(inspector.giveUp.skip);
      if (config.continueOnTimeout) this.#inspected(inspector.giveUp, rest);
      else this.#dropUnchosen(rest.length > 0);
    });
  }

  /**
   * Lets an inspector look at what comes, until it has found something (done, error) or the peer has said all
   * (need-more); tells then what was not consumed, which is to be read again.
   */
  #look(
    inspector: Inspector,
    told: (result: InspectionResult, rest: Buffer) => void,
  ): { stop(consumed: number): Buffer } {
    const socket = this.#socket;
    let bytes: Buffer = EMPTY;
    const stop = (consumed: number): Buffer => {
      socket.removeListener('data', onData);
      socket.removeListener('end', onEnd);
      socket.pause();
      const rest = bytes.subarray(consumed);
      if (rest.length > 0) socket.unshift(rest);
      return rest;
    };
    const onData = (chunk: Buffer) =>
      this.#event(() => {
        if (this.#over) return;
        bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
        const result = inspector.receive(chunk);
        if (result.kind === 'need-more') return;
        told(result, stop(result.kind === 'done' ? result.findings.skip : 0));
      });
    const onEnd = () =>
      this.#event(() => {
        if (!this.#over) told({ kind: 'need-more' }, stop(inspector.giveUp.skip));
      });
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.resume();
    return { stop };
  }

  #startTimer(ms: number, onTime: () => void): void {
    if (ms > 0) this.#timer = this.#listener.worker.timers.start(ms, onTime);
  }

  #inspected(findings: Findings, rest: Buffer): void {
    this.#inspectionEnds();
    this.#timer?.cancel();
    this.#choose(findings, rest);
  }

  #inspectionEnds(): void {
    if (!this.#inspecting) return;
    this.#inspecting = false;
    this.#listener.stats.downstream_pre_cx_active--;
  }

  /**
   * Ends what has not come to a filter chain; the log of the listener tells of it. With what it has sent unread it is
   * reset, as the kernel does it to Envoy's sockets.
   */
  #dropUnchosen(reset = false): void {
    const toNowhere: Incoming = { destination: this.#destination, source: this.#peer, hello: undefined };
    this.#log(this.#account(toNowhere));
    this.#drop(reset);
  }

  /** `start` is what was read and not consumed. */
  #choose(findings: Findings, start: Uint8Array): void {
    const { config, stats, worker } = this.#listener;
    this.#proxy = findings.proxy;
    const told = findings.proxy?.header?.addresses;
    const incoming: Incoming = {
      source: told ? toldAddress(told.source) : this.#peer,
      destination: told ? toldAddress(told.destination) : this.#destination,
      hello: findings.hello,
    };
    const { source, destination, hello } = incoming;
    const chain =
      config.matcher.find({
        destinationAddress: destination.address,
        destinationPort: destination.port,
        serverName: hello?.sni ?? '',
        transportProtocol: hello ? 'tls' : 'raw_buffer',
        applicationProtocols: hello ? hello.alpn : findings.httpProtocol ? [findings.httpProtocol] : NONE,
        directSourceAddress: this.#peer.address,
        sourceAddress: source.address,
        sourcePort: source.port,
      }) ?? config.defaultChain;
    if (chain === undefined) {
      stats.no_filter_chain_match++;
      this.#tellRefusal(source, () => `no filter chain of ${this.#listener.name} is for ${describe(hello)}`);
      const info = this.#account(incoming);
      info.responseCodeDetails = 'filter_chain_not_found';
      info.flags = ResponseFlag.NoRouteFound;
      this.#log(info);
      this.#drop(start.length > 0);
      return;
    }
    this.#choice = { chain, incoming };
    this.#listener.opened();
    this.#openedAt = worker.timers.now();
    if (chain.filters.some(({ missing }) => missing)) {
      stats.network_extension_config_missing++;
      this.#fail(chain, this.#account(incoming, chain));
      return;
    }
    if (chain.transport === undefined) {
      this.#establish(chain, this.#socket, undefined, incoming);
      return;
    }
    this.#startTimer(chain.transportTimeoutMs, () => {
      stats.downstream_cx_transport_socket_connect_timeout++;
      this.#handshake?.cancel();
      const info = this.#account(incoming, chain);
      info.connectionTerminationDetails = 'transport socket timeout was reached';
      this.#fail(chain, info);
    });
    const inspected = this.#effects.tls?.(this.#destination.port);
    if (hello !== undefined) this.#shakeHands(chain, hello, incoming);
    else if (inspected && start.length > 0) this.#refusePlaintext(chain, chain.transport, start, incoming);
    else this.#awaitHello(chain, chain.transport, incoming);
  }

  /** No inspector has read ahead: what the client says first is the handshake's business alone. */
  #awaitHello(chain: FilterChain, transport: DownstreamTransport, incoming: Incoming): void {
    this.#look(new Inspector(HELLO_ONLY), (result, rest) => {
      const hello = result.kind === 'done' ? result.findings.hello : undefined;
      if (hello !== undefined) this.#shakeHands(chain, hello, incoming);
      else if (result.kind !== 'need-more') this.#refusePlaintext(chain, transport, rest, incoming);
      else this.#fail(chain, this.#account(incoming, chain));
    });
  }

  /** Plaintext where TLS is spoken. No byte of it goes anywhere. */
  #refusePlaintext(chain: FilterChain, transport: DownstreamTransport, start: Uint8Array, incoming: Incoming): void {
    this.#tellRefusal(incoming.source, () => `it is plain text, where ${this.#listener.name} speaks TLS`);
    const inspected = this.#effects.tls?.(incoming.destination.port) ?? false;
    const info = this.#account(incoming, chain);
    info.downstreamTransportFailure = transport.refusePlaintext(this.#socket, start, inspected);
    this.#fail(chain, info);
  }

  #shakeHands(chain: FilterChain, hello: ClientHello, incoming: Incoming): void {
    this.#handshake = chain.transport!.accept(this.#socket, hello, (outcome) =>
      this.#event(() => {
        if (this.#over) return;
        this.#timer?.cancel();
        if ('failure' in outcome) this.#handshakeFailed(outcome.failure, chain, incoming);
        else this.#establish(chain, outcome.socket, outcome.info, incoming);
      }),
    );
  }

  #handshakeFailed(failure: TlsFailure, chain: FilterChain, incoming: Incoming): void {
    const { worker, refusals } = this.#listener;
    const { source } = incoming;
    const tell = () => `TLS handshake with ${source.address}:${source.port} failed: ${failure.explanation}`;
    // Of a secret that is missing the mesh tells elsewhere, and who just goes away was not refused.
    if (failure.secretsMissing || failure.reason === '') worker.log.debug(tell());
    else refusals.refused(tell, worker.timers.now());
    // The handshake sees its last words off by itself.
    this.#over = true;
    const info = this.#account(incoming, chain, failure.info);
    info.downstreamTransportFailure = failure.reason;
    this.#fail(chain, info);
  }

  /** Ends a connection that has come to a filter chain and no further: the last filter of that may log it too. */
  #fail(chain: FilterChain, info: StreamInfo): void {
    const { worker, clusters } = this.#listener;
    this.#listener.closed(info.end - this.#openedAt);
    const last = chain.filters.at(-1);
    const { connection } = info;
    if (last?.terminal) last.refused?.({ connection, info, worker, clusters, continueReading() {}, exclude() {} });
    this.#log(info);
    this.#drop();
  }

  /** The account of a connection that never became one. */
  /** `known`: what the handshake has come to before it failed. */
  #account(incoming: Incoming, chain?: FilterChain, known: TlsInfo = NOTHING_NEGOTIATED): StreamInfo {
    const { timers } = this.#listener.worker;
    const tls = chain?.transport === undefined ? undefined : known;
    const connection = this.#connection(this.#socket, tls, incoming);
    connection.filterChainName = chain?.name ?? '';
    const info = new StreamInfo(connection, timers.now(), timers.wallClock());
    info.end = timers.now();
    if (this.#proxy?.metadata !== undefined) info.dynamicMetadata = new Map(this.#proxy.metadata);
    return info;
  }

  #log(info: StreamInfo): void {
    for (const log of this.#listener.config.accessLogs) log.log(info);
  }

  #connection(socket: net.Socket, tls: TlsInfo | undefined, incoming: Incoming): SocketConnection {
    const { config, worker } = this.#listener;
    const { destination, source, hello } = incoming;
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
    const { originalSrc, originalDst } = this.#effects;
    if (originalSrc?.applies(destination.port) && source.family !== 0) {
      const address = originalSrc.bindPort ? source : { ...source, port: 0 };
      const foreign: ForeignSource = { address, mark: originalSrc.mark };
      (connection.filterState ??= new Map()).set(ORIGINAL_SOURCE, foreign);
    }
    connection.originalDestination = this.#original ?? (originalDst?.(this.#local.port) ? this.#local : undefined);
    connection.requestedServerName = hello?.sni ?? '';
    return connection;
  }

  #establish(chain: FilterChain, socket: net.Socket, tls: TlsInfo | undefined, incoming: Incoming): void {
    this.#over = true;
    const listener = this.#listener;
    if (socket === this.#socket) socket.removeListener('error', this.#onError);
    const connection = this.#connection(socket, tls, incoming);
    connection.filterChainName = chain.name;
    listener.track(chain, connection);
    const onClosed = (info: StreamInfo) => {
      listener.untrack(chain, connection);
      listener.closed(info.end - this.#openedAt);
      this.#log(info);
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
    this.#inspectionEnds();
    this.#timer?.cancel();
    this.#handshake?.cancel();
    if (reset) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }
}

const EMPTY = Buffer.alloc(0);
const NONE: readonly string[] = [];
/** What is known of TLS before anything is agreed on: the version is the one that Envoy tells of then. */
const NOTHING_NEGOTIATED: TlsInfo = {
  version: 'TLSv1.2',
  cipher: '',
  alpn: '',
  sni: '',
  resumed: false,
  peer: undefined,
  localUriSans: NONE,
  localDnsSans: NONE,
  localSubject: '',
};

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
