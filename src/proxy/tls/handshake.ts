import type net from 'node:net';
import type tls from 'node:tls';
import { messageOf } from '../../base/errors.ts';
import type { TlsInfo } from '../net/connection.ts';
import { AlertWriter } from './alert-record.ts';
import { Alert } from './alerts.ts';
import { abandoned, defect, type HandshakeFacts, handshakeFailed } from './failure.ts';
import { releaseControl, type TlsSocketOptions, wrapSocket } from './node-tls.ts';
import { connectionInfo } from './tls-info.ts';
import type { Handshake, TlsFailure, TlsOutcome } from './transport.ts';

/** What whoever judges a finished handshake says. */
export type Judgement =
  | { readonly info: TlsInfo; readonly failure?: undefined }
  | { readonly failure: TlsFailure; readonly alert: Alert };

export interface HandshakeRequest {
  readonly socketOptions: TlsSocketOptions;
  readonly facts: HandshakeFacts;
  /** Whether the peer may have to be told why it is not admitted. */
  readonly mayRefuse: boolean;
  /** Called once OpenSSL is done, before any data of the peer's was delivered. A throw refuses the peer. */
  judge(socket: tls.TLSSocket): Judgement;
  /** Called for a connection that was admitted, before `done`. */
  admitted?(socket: tls.TLSSocket): void;
  /** Called for a handshake that failed before it could be judged. */
  failed(error: Error | undefined): void;
}

const ignore = (): void => {};

/** Runs one handshake over a connected socket. `done` is called once, never from within this call. */
export function shakeHands(raw: net.Socket, request: HandshakeRequest, done: (outcome: TlsOutcome) => void): Handshake {
  return new RunningHandshake(raw, request, done);
}

class RunningHandshake implements Handshake {
  readonly #raw: net.Socket;
  readonly #request: HandshakeRequest;
  readonly #done: (outcome: TlsOutcome) => void;
  readonly #socket: tls.TLSSocket;
  readonly #alerts: AlertWriter | undefined;
  #over = false;

  constructor(raw: net.Socket, request: HandshakeRequest, done: (outcome: TlsOutcome) => void) {
    this.#raw = raw;
    this.#request = request;
    this.#done = done;
    // The TLS socket reports what befalls the one under it; an error without a listener would end the process.
    raw.on('error', ignore);
    const socket = wrapSocket(raw, request.socketOptions);
    this.#socket = socket;
    socket.on('error', ignore);
    this.#alerts = request.mayRefuse
      ? new AlertWriter(socket, request.socketOptions.isServer ? 'server' : 'client')
      : undefined;
    socket.once('secure', this.#onSecure);
    socket.once('error', this.#onError);
    socket.once('end', this.#onEnd);
    socket.once('close', this.#onEnd);
  }

  readonly #onSecure = (): void => {
    if (this.#over) return;
    let judgement: Judgement;
    try {
      judgement = this.#request.judge(this.#socket);
    } catch (error) {
      judgement = { failure: defect(messageOf(error), this.#request.facts), alert: Alert.BadCertificate };
    }
    if (judgement.failure !== undefined) {
      this.#alerts?.send(this.#raw, judgement.alert);
      this.#fail(judgement.failure);
      return;
    }
    this.#finish();
    releaseControl(this.#socket);
    this.#request.admitted?.(this.#socket);
    this.#done({ socket: this.#socket, info: judgement.info });
  };

  readonly #onError = (error: Error): void => {
    if (this.#over) return;
    this.#request.failed(error);
    const failure = handshakeFailed(error, this.#request.facts);
    this.#fail({ ...failure, info: unfinished(this.#socket, this.#request.facts) });
  };

  readonly #onEnd = (): void => {
    if (this.#over) return;
    this.#request.failed(undefined);
    this.#fail(abandoned(this.#request.facts));
  };

  #fail(failure: TlsFailure): void {
    this.#finish();
    this.#socket.destroy();
    this.#done({ failure });
  }

  #finish(): void {
    this.#over = true;
    this.#alerts?.forget();
    this.#socket.removeListener('secure', this.#onSecure);
    this.#socket.removeListener('error', this.#onError);
    this.#socket.removeListener('end', this.#onEnd);
    this.#socket.removeListener('close', this.#onEnd);
  }

  cancel(): void {
    if (this.#over) return;
    this.#finish();
    this.#socket.destroy();
  }
}

/** A handshake that cannot even begin. */
export function refuseSoon(raw: net.Socket, failure: TlsFailure, done: (outcome: TlsOutcome) => void): Handshake {
  let over = false;
  raw.on('error', ignore);
  process.nextTick(() => {
    if (over) return;
    over = true;
    raw.destroy();
    done({ failure });
  });
  return {
    cancel: () => {
      over = true;
      raw.destroy();
    },
  };
}

/** What was agreed on before a handshake failed; undefined for nothing. */
function unfinished(socket: tls.TLSSocket, { sni, own }: HandshakeFacts): TlsInfo | undefined {
  const version = socket.getProtocol();
  if (version === null || !version.startsWith('TLS')) return undefined;
  return connectionInfo(socket, { version, resumed: false, sni, peer: undefined, own });
}
