import net, { isIP, type Socket } from 'node:net';
import tls from 'node:tls';
import { Backoff } from '../base/backoff.ts';
import { type Cancel, type Clock, systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { askForSignsOfLife } from '../base/keepalive.ts';
import { GrpcClientCall } from '../wire/grpc/client.ts';
import { type GrpcCall, type GrpcCallHandler, GrpcCode, type GrpcTransport } from '../wire/grpc/transport.ts';
import { Http2ClientCodec } from '../wire/http2/client.ts';
import { CodecSocket } from './net/codec-socket.ts';

/** What a connection is made with; asked for anew every time, because roots and certificates change on disk. */
export interface ChannelCredentials {
  /** Roots in PEM that the server's certificate must lead to; undefined means those of the system. */
  readonly roots: string | undefined;
  /** A certificate of our own to present, in PEM. */
  readonly certificate?: { readonly chain: string; readonly key: string };
}

export interface GrpcChannelOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined is plaintext. `serverName` is what the certificate must be for: a DNS name or an IP address. */
  readonly tls?: { readonly serverName: string; readonly credentials: () => Promise<ChannelCredentials> };
  /** Ends calls with DEADLINE_EXCEEDED, milliseconds; unless told they have no deadline. */
  readonly deadlineMs?: number;
  readonly connectTimeoutMs?: number;
  /** A connection without calls is closed after this long. */
  readonly idleMs?: number;
  readonly userAgent?: string;
  /** Source address of connections. */
  readonly localAddress?: string;
  readonly clock?: Clock;
  readonly random?: () => number;
}

const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_MS = 30_000;
/** gRPC's connection back-off (grpc/grpc `doc/connection-backoff.md`), but for a longest delay that suits a sidecar. */
const BACKOFF = { initialMs: 1000, maxMs: 5_000, multiplier: 1.6, minMs: 100 };
/** Calls that wait for a connection; more fail at once. */
const MAX_WAITING = 100;
const USER_AGENT = 'isthmus-agent';
/** Groups in the order of their cost. */
const GROUPS = 'X25519:P-256:P-384';

interface Connection {
  readonly codec: Http2ClientCodec;
  readonly io: CodecSocket;
  /** The server has sent its settings: there is one. */
  alive: boolean;
  /** Takes no further calls, and goes when those that are under way have ended. */
  draining: boolean;
  calls: number;
}

/**
 * gRPC to one server over a socket of its own: connects when there is a call, shares the connection, and makes a new one
 * when it is lost. After a failure connections are attempted with growing delays; a call that comes meanwhile waits for
 * the next attempt and shares its fate.
 */
export class GrpcChannel implements GrpcTransport {
  readonly #options: GrpcChannelOptions;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #connection: Connection | undefined;
  readonly #all = new Set<Connection>();
  readonly #byCall = new Map<GrpcClientCall, Connection>();
  readonly #waiting = new Set<GrpcClientCall>();
  #connecting = false;
  /** No attempt before this time. */
  #notBefore = 0;
  #cancelRetry: Cancel | undefined;
  #cancelIdle: Cancel | undefined;
  #abort: (() => void) | undefined;
  #closed = false;

  constructor(options: GrpcChannelOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#backoff = new Backoff({ ...BACKOFF, random: options.random });
  }

  call(path: string, metadata: readonly (readonly [string, string])[], handler: GrpcCallHandler): GrpcCall {
    const { host, port, tls: secure, deadlineMs, userAgent = USER_AGENT } = this.#options;
    let cancelDeadline: Cancel = () => {};
    const call = new GrpcClientCall(
      {
        path,
        authority: isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`,
        scheme: secure ? 'https' : 'http',
        metadata,
        timeout: deadlineMs,
        userAgent,
      },
      {
        onHeaders: (headers) => handler.onHeaders?.(headers),
        onMessage: (bytes) => handler.onMessage(bytes),
        onEnd: (status, trailers) => {
          // Who was not believed comes back on another connection, with the certificate that it has by then.
          const connection = this.#byCall.get(call);
          if (status.code === GrpcCode.Unauthenticated && connection) this.#retire(connection);
          over();
          handler.onEnd(status, trailers);
        },
      },
    );
    const over = () => {
      cancelDeadline();
      this.#waiting.delete(call);
      this.#ended(call);
    };
    if (deadlineMs !== undefined) {
      cancelDeadline = this.#clock.setTimer(deadlineMs, () => {
        call.fail({ code: GrpcCode.DeadlineExceeded, message: `no answer within ${deadlineMs} ms` });
      });
    }
    if (this.#closed || this.#waiting.size >= MAX_WAITING) {
      const message = this.#closed ? 'the channel is closed' : 'too many calls wait for a connection';
      queueMicrotask(() => call.fail({ code: GrpcCode.Unavailable, message }));
    } else {
      this.#waiting.add(call);
      this.#serve();
    }
    return {
      send: (message) => call.send(message),
      end: () => call.end(),
      cancel: () => {
        if (call.over) return;
        call.cancel();
        over();
      },
      get bufferedBytes() {
        return call.bufferedBytes;
      },
    };
  }

  /** Ends every call with UNAVAILABLE and every connection. */
  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#cancelIdle?.();
    this.#abort?.();
    this.#failWaiting('the channel is closed');
    for (const { io } of this.#all) io.destroy();
  }

  /** Gives waiting calls to the connection, or sees to it that there will be one. */
  #serve(): void {
    const connection = this.#connection;
    if (!connection) {
      if (this.#waiting.size > 0) this.#connectSoon();
      return;
    }
    for (const call of this.#waiting) {
      if (!connection.codec.canOpen) return;
      this.#waiting.delete(call);
      this.#cancelIdle?.();
      connection.calls++;
      this.#byCall.set(call, connection);
      call.start((handler) => connection.codec.newStream(handler));
    }
  }

  #ended(call: GrpcClientCall): void {
    const connection = this.#byCall.get(call);
    if (!connection) return;
    this.#byCall.delete(call);
    if (--connection.calls > 0) return;
    if (connection.draining) connection.io.close();
    else {
      const { idleMs = IDLE_MS } = this.#options;
      this.#cancelIdle?.();
      this.#cancelIdle = this.#clock.setTimer(idleMs, () => this.#retire(connection));
    }
  }

  /** Makes room for a new connection; one that never came to life counts as a failure. */
  #retire(connection: Connection): void {
    if (!connection.draining && !connection.alive) this.#notBefore = this.#clock.now() + this.#backoff.next();
    connection.draining = true;
    if (this.#connection === connection) this.#connection = undefined;
    if (connection.calls === 0) connection.io.close();
  }

  #connectSoon(): void {
    if (this.#connecting || this.#closed) return;
    this.#connecting = true;
    const wait = Math.max(this.#notBefore - this.#clock.now(), 0);
    const attempt = () => {
      this.#connect().then(
        (socket) => this.#connected(socket),
        (error) => this.#failed(messageOf(error)),
      );
    };
    if (wait > 0) this.#cancelRetry = this.#clock.setTimer(wait, attempt);
    else attempt();
  }

  async #connect(): Promise<Socket> {
    const { host, port, localAddress, tls: secure } = this.#options;
    if (!secure) return this.#open(net.connect({ host, port, localAddress }), 'connect');
    const { serverName, credentials } = secure;
    const { roots, certificate } = await credentials();
    if (this.#closed) throw new Error('the channel is closed');
    const options: tls.ConnectionOptions & { readonly localAddress?: string } = {
      host,
      port,
      localAddress,
      servername: isIP(serverName) ? '' : serverName,
      ca: roots ?? tls.getCACertificates('system'),
      cert: certificate?.chain,
      key: certificate?.key,
      // A bundle may hold an intermediate alone; whatever is in it is trusted, as in Go.
      allowPartialTrustChain: true,
      checkServerIdentity: (_host, peer) => tls.checkServerIdentity(serverName, peer),
      ALPNProtocols: ['h2'],
      minVersion: 'TLSv1.2',
      ecdhCurve: GROUPS,
    };
    const socket = tls.connect(options);
    await this.#open(socket, 'secureConnect');
    if (socket.authorized && socket.alpnProtocol === 'h2') return socket;
    socket.destroy();
    throw new Error(socket.authorized ? 'the server does not speak HTTP/2' : String(socket.authorizationError));
  }

  #open<S extends Socket>(socket: S, event: 'connect' | 'secureConnect'): Promise<S> {
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.setTimer(connectTimeoutMs, () => fail(new Error('the connection timed out')));
      const fail = (error: Error) => {
        cancel();
        socket.destroy();
        reject(error);
      };
      this.#abort = () => fail(new Error('the channel is closed'));
      socket.once('error', fail);
      socket.once(event, () => {
        cancel();
        socket.removeListener('error', fail);
        resolve(socket);
      });
    });
  }

  #connected(socket: Socket): void {
    this.#connecting = false;
    this.#abort = undefined;
    if (this.#closed) {
      socket.destroy();
      return;
    }
    askForSignsOfLife(socket);
    const io = new CodecSocket(socket);
    const codec: Http2ClientCodec = new Http2ClientCodec(io, {
      onConnectionError: () => io.close(),
      onDrain: () => this.#retire(connection),
      // It comes with the server's settings first.
      onStreamAvailable: () => {
        connection.alive = true;
        this.#backoff.reset();
        this.#serve();
      },
    });
    const connection: Connection = { codec, io, alive: false, draining: false, calls: 0 };
    this.#all.add(connection);
    this.#connection = connection;
    io.attach(codec, () => {
      this.#all.delete(connection);
      this.#retire(connection);
      this.#serve();
    });
    this.#serve();
  }

  #failed(reason: string): void {
    this.#connecting = false;
    this.#abort = undefined;
    this.#notBefore = this.#clock.now() + this.#backoff.next();
    this.#failWaiting(`cannot connect to ${this.#options.host}:${this.#options.port}: ${reason}`);
  }

  #failWaiting(message: string): void {
    for (const call of [...this.#waiting]) call.fail({ code: GrpcCode.Unavailable, message });
  }
}
