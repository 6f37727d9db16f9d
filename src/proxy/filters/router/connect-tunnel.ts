import { Headers } from '../../../wire/headers.ts';
import { type OutgoingStream, ResetReason } from '../../../wire/http.ts';
import type {
  Cancelable,
  Cluster,
  UpstreamConnectionHandler,
  UpstreamOptions,
  UpstreamStreamHandler,
} from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import { CloseReason, type Connection } from '../../net/connection.ts';
import type { RouteAction } from '../../router/route.ts';
import { type OpenUpstream, openHttp } from './upstream-request.ts';

const NOTHING = new Uint8Array(0);
/** How long a host that has ended may take to see that we have, too. */
const LINGER_MS = 1000;

/** How an attempt gets to its host: by a stream of HTTP, or by the tunnel of a CONNECT that ends here. */
export function opener(headers: Headers, action: Pick<RouteAction, 'upgrades'>): OpenUpstream {
  if (headers.method !== 'CONNECT') return openHttp;
  const type = headers.protocol === '' ? 'connect' : headers.protocol.toLowerCase();
  return action.upgrades.get(type)?.terminateConnect ? openTunnel : openHttp;
}

/**
 * Ends a CONNECT here (`connect_config`): the body of the request goes to the host as plain bytes, and what the host
 * sends is the body of a response with status 200 (RFC 9110 section 9.3.6, RFC 9113 section 8.5). A client that ends its
 * side goes on to be answered; a host that ends its own ends the tunnel.
 */
export function openTunnel(
  cluster: Cluster,
  host: Host,
  options: UpstreamOptions,
  handler: UpstreamStreamHandler,
): Cancelable | undefined {
  return cluster.openTcp(host, options, new Tunnel(handler));
}

/** A TCP connection that looks like the upstream side of a request. */
class Tunnel implements UpstreamConnectionHandler, OutgoingStream {
  readonly #handler: UpstreamStreamHandler;
  #connection: Connection | undefined = undefined;
  #pauses = 0;
  /** The host sends no more. */
  #answered = false;
  #over = false;

  constructor(handler: UpstreamStreamHandler) {
    this.#handler = handler;
  }

  get bufferedBytes(): number {
    return 0;
  }

  onReady(connection: Connection): void {
    this.#connection = connection;
    const { id, local, remote, tls, filterState } = connection;
    this.#handler.onReady(this, { id, local, remote, tls, protocol: '', filterState });
  }

  onFailure(reason: ResetReason, details: string): void {
    this.#over = true;
    this.#handler.onFailure(reason, details);
  }

  /** There is nobody to send headers to: the tunnel stands, and the client is told so. */
  sendHeaders(_headers: Headers, end: boolean): void {
    const connection = this.#connection!;
    this.#handler.onHeaders(Headers.response(200), false);
    if (this.#over) return;
    connection.start();
    if (end) connection.end();
  }

  sendInformational(): void {}

  sendData(chunk: Uint8Array, end: boolean): void {
    if (this.#over) return;
    if (chunk.length > 0) this.#connection!.write(chunk);
    if (end) this.#connection!.end();
  }

  sendTrailers(): void {
    if (!this.#over) this.#connection!.end();
  }

  reset(): void {
    if (this.#over) return;
    this.#over = true;
    // A tunnel that one side gives up is not one that ended in order.
    if (this.#answered) this.#connection!.close();
    else this.#connection!.reset();
  }

  pauseReading(pause: boolean): void {
    const before = this.#pauses;
    this.#pauses += pause ? 1 : -1;
    if (!this.#over && before > 0 !== this.#pauses > 0) this.#connection!.pauseReading(pause);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    if (!this.#over) this.#handler.onData(Buffer.from(bytes.subarray(start, end)), false);
  }

  onEnd(): void {
    if (this.#over || this.#answered) return;
    this.#answered = true;
    this.#handler.onData(NOTHING, true);
    if (this.#over) return;
    // The response is whole, so nothing more of the request comes here: the host must not wait for it.
    this.#over = true;
    this.#connection!.closeAfterFlush(LINGER_MS);
  }

  onBackpressure(high: boolean): void {
    if (!this.#over) this.#handler.onWriteBackpressure(high);
  }

  onClose(reason: CloseReason, details: string): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#answered) return;
    const why =
      reason === CloseReason.ConnectFailure ? ResetReason.ConnectionFailure : ResetReason.ConnectionTermination;
    this.#handler.onReset(why, details);
  }
}
